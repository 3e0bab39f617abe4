"""The arguments of a model's `forward`, whose names differ between versions of transformers."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from composer.heavy import transformers

if TYPE_CHECKING:
    from torch import nn

__all__ = ["cache_name", "keeps_state", "takes_rows_to_keep"]

_CACHES = "cache", "past_key_values", "cache_params"  # the newest first: it takes old ones as well


def cache_name(module: nn.Module) -> str | None:
    """The name of the argument for a cache; None if there is none."""
    takes = inspect.signature(module.forward).parameters
    return next((name for name in _CACHES if name in takes), None)


def keeps_state(module: nn.Module) -> bool:
    """Whether it takes the state that the last forward pass returned, as RWKV does."""
    return "state" in inspect.signature(module.forward).parameters


def takes_rows_to_keep(module: nn.Module) -> bool:
    """Whether it takes positions [row, n] after which logits are wanted."""
    takes = inspect.signature(module.forward).parameters
    return "logits_to_keep" in takes and hasattr(
        transformers.modeling_utils, "slice_logits_to_keep"
    )
