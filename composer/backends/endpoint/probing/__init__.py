"""Finding out what a server gives, and keeping it."""
