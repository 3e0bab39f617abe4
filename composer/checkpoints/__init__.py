"""What a model's folder holds, read without loading its weights."""
