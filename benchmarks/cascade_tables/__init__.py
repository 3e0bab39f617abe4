"""The tables of `benchmarks/cascades.py`, a module a table."""
