"""One model's forward passes: a row is one sequence in its cache, and rows share passes.

`runner` picks the fastest kind of cache with which a model gives the logits of whole texts
(`trial`): `attention` with a `kv_cache`, packed or padded; `recurrent` for RWKV; `separate`.
"""
