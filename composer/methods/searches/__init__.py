"""Searches over the steps of an answer: which partial answers are continued.

A search sees a `SearchTree` and nothing else: it chooses nodes, and the tree grows there. So it is
tested on trees that are made by hand, without models.
"""
