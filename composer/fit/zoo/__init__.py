"""The zoo's own training script: skills, tokenizers, models, items and cards."""
