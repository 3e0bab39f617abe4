"""What editors ask: diagnostics, hover, completion, definitions, symbols; schema and colours.

Each answer is a function of a buffer and an offset, without a server; `server` speaks for them.
"""
