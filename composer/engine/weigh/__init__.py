"""Weights that follow from what the members say at a token, one way a file."""
