"""Byte-prefix probabilities: how likely a text is the beginning of what a model writes.

A text can be cut into tokens in many ways. `byte_trie` finds the tokens that go on from some bytes,
`view` follows the likeliest ways of one member, and `joint` has the views of several members.
"""
