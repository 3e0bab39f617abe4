"""How distributions over unlike vocabularies are brought together, one file a way."""
