"""The layers of a model by the headers of its files, and the bytes of a token in its cache."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from composer.specs.json_files import read_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from composer.specs.headers import TensorHeader

__all__ = ["layer_bytes", "token_bytes"]

_NUMBERED = re.compile(r"((?:[^.]+\.)*?)(\d+)\.")

_LAYERS = "num_hidden_layers", "n_layer", "n_layers", "num_layers"
_HEADS = "num_attention_heads", "n_head", "n_heads", "num_heads"
_SHARED = "num_key_value_heads", "num_kv_heads"
_WIDTH = "hidden_size", "n_embd", "d_model"


def layer_bytes(tensors: Mapping[str, TensorHeader]) -> tuple[int, ...]:
    """Return the stored bytes of each layer, in their order; none where there is not one list.

    A layer has a number behind the first words of its tensors' names: `model.layers.3.`.
    """
    lists: dict[str, dict[int, int]] = {}
    for name, tensor in tensors.items():
        found = _NUMBERED.match(name)
        if found:
            sizes, number = lists.setdefault(found[1], {}), int(found[2])
            sizes[number] = sizes.get(number, 0) + tensor.bytes
    if len(lists) != 1:
        return ()
    (sizes,) = lists.values()
    return (
        tuple(sizes[n] for n in range(len(sizes))) if set(sizes) == set(range(len(sizes))) else ()
    )


def token_bytes(folder: Path, size: int = 2) -> int:
    """Return the bytes of the keys and values of one token in numbers of `size` bytes.

    That is layers x heads of keys x their width x 2. 0 where config.json does not tell.
    """
    stated = read_json(folder / "config.json")
    stated |= stated.get("text_config") or {}
    layers, heads, width = (_number(stated, *names) for names in (_LAYERS, _HEADS, _WIDTH))
    if not layers or not heads or not width:
        return 0
    shared = _number(stated, *_SHARED) or heads
    dim = _number(stated, "head_dim") or width // heads
    return layers * shared * dim * 2 * size


def _number(stated: Mapping[str, object], *names: str) -> int | None:
    values = (stated.get(name) for name in names)
    return next((value for value in values if type(value) is int), None)
