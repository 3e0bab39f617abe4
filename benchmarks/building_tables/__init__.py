"""The tables of `benchmarks/building.py`, a module a table."""
