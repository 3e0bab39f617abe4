"""The tables of `benchmarks/voting.py`, a module a table."""
