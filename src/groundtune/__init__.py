"""Groundtune: ground it, tune it, or both: measured."""

__version__ = "0.1.0"
