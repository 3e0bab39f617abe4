"""How long a text may be, and from which length on its positions are read otherwise."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from composer.checkpoints.installed import values_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from transformers import PreTrainedConfig

    from composer.checkpoints.config_files import Configuration
    from composer.specs.headers import TensorHeader

__all__ = ["context_of", "switch_of"]

UNBOUNDED = ("rwkv", "mamba")
"""Beginnings of the model types that read texts of any length."""

POSITIONS = ("wpe.weight", "position_embeddings.weight", "embed_positions.weight")
"""Ends of the names of tables that hold a row for each position."""


def context_of(
    config: Configuration, kind: str, tensors: Mapping[str, TensorHeader] = MappingProxyType({})
) -> int | None:
    """Return how many tokens a model reads: what it says, but no more than it has positions for.

    Where it says nothing, a model whose positions turn is not limited, but for one that turns them
    by the length of the text: it does so from the limit of its class on.
    """
    if kind.startswith(UNBOUNDED):
        return None
    tables = [
        each.shape[0]
        for name, each in tensors.items()
        if name.endswith(POSITIONS) and len(each.shape) > 1
    ]
    ropes = (*_ropes(config.rope_scaling), *_ropes(config.rope_parameters))
    limits: list[object] = [config.context, *tables]
    if config.context is None and any(_type(each) == "dynamic" for each in ropes):
        limits.append(values_of(kind, {}).get("max_position_embeddings"))
    return min((each for each in limits if isinstance(each, int)), default=None)


def switch_of(config: PreTrainedConfig, context: int | None) -> int | None:
    """Return the length beyond which a whole text is read by other positions, if there is one."""
    limit = getattr(config, "max_position_embeddings", None)
    own = getattr(config, "original_max_position_embeddings", None)
    lengths = [
        each.get("original_max_position_embeddings") or own or limit
        for each in _ropes(getattr(config, "rope_parameters", None))
        if _type(each) == "longrope"
    ]
    switch = min((each for each in lengths if isinstance(each, int)), default=None)
    return None if switch is None or (context is not None and context <= switch) else switch


def _ropes(stated: Mapping[str, Any] | None) -> Iterator[Mapping[str, Any]]:
    """Yield what is said of turning positions: once, or for each type of layer."""
    for each in () if stated is None else (stated, *stated.values()):
        if isinstance(each, dict):
            yield each


def _type(rope: Mapping[str, Any]) -> object:
    return rope.get("rope_type", rope.get("type"))
