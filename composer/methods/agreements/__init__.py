"""How two answers are compared."""
