"""Fine-tuning by LoRA: what is trained (recipes), how long it takes (plan) and the training itself."""
