"""Decode steps of fixed shapes, which a GPU runs as one captured graph.

A step reads one token with each model of a group, brings the members together and draws the next
entries, all in one function of tensors (`step`). Its shapes are rounded up (`shape`), so that few
are made. `steps` finds the requests that can be answered so; all others go the ragged way.
"""
