"""Hugging Face models on this machine: loaded (backend.py), read in packs of prompts, and decoded greedily."""
