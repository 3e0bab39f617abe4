"""Weights for a whole answer, found from its prompt before the first token is written.

PackLLM, arXiv:2404.11531. A way reads by the answer's own cursor wherever that is possible, so
that the prompt is not read twice.
"""
