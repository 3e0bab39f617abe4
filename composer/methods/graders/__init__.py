"""Graders: whether an answer is right, or how good it is. One file a way to tell."""
