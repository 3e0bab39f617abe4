"""The names of a GGUF file's tensors, as the classes of the Llama family have them."""

from __future__ import annotations

import re

__all__ = ["class_name"]

OUTSIDE = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
}

INSIDE = {
    **{f"attn_{each}": f"self_attn.{each}_proj" for each in "qkv"},
    **{f"attn_{each}_norm": f"self_attn.{each}_norm" for each in "qk"},
    **{f"ffn_{each}": f"mlp.{each}_proj" for each in ("gate", "up", "down")},
    "attn_output": "self_attn.o_proj",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}

LAYER = re.compile(r"blk\.(\d+)\.(\w+)\.(\w+)")


def class_name(name: str) -> str:
    """Return a tensor's name in a class of the Llama family, or its own where it has none."""
    layer = LAYER.fullmatch(name)
    if layer is not None and layer[2] in INSIDE:
        return f"model.layers.{layer[1]}.{INSIDE[layer[2]]}.{layer[3]}"
    part, _, last = name.partition(".")
    return f"{OUTSIDE[part]}.{last}" if part in OUTSIDE else name
