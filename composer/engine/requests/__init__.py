"""What a session may ask of an engine step, one file for each kind of request.

A request says which tokens the models read for it and where it wants logits; its class answers all
requests of its kind and group together.
"""
