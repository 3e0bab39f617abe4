"""The tables of `benchmarks/span.py`, a module a table."""
