"""How `rank` scores candidates: by their own confidence, by models, by each other."""
