"""The numbers of a configuration, and how few layers show what a model is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.heavy import transformers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import nn
    from transformers import PreTrainedConfig

__all__ = ["Knob", "depth_of", "knobs", "lower", "shorten"]

_SIZES = "vocab_size", "hidden_size", "num_attention_heads", "num_hidden_layers"
_ID = "_id", "_ids"


@dataclass(frozen=True, slots=True)
class Knob:
    """A number at a place in a configuration; in a list, all that are equal."""

    path: tuple[str, ...]
    value: int


def knobs(config: PreTrainedConfig, above: int, below: int | None) -> list[Knob]:
    """All numbers in a range that may be windows: no ids, and no sizes that every model has."""
    known = {config.attribute_map.get(name, name) for name in _SIZES}
    found = dict.fromkeys(_numbers(vars(config), ()))
    return [
        knob
        for knob in found
        if knob.path[0] not in known and above < knob.value < (below or knob.value + 1)
    ]


def _numbers(held: Mapping[str, object], path: tuple[str, ...]) -> Iterator[Knob]:
    for key, value in held.items():
        name = str(key)
        here = (*path, name)
        if name.startswith("_") or name.endswith(_ID):
            continue
        if isinstance(value, dict):
            yield from _numbers(value, here)
        elif isinstance(value, transformers.PreTrainedConfig):
            yield from _numbers(vars(value), here)
        else:
            some = value if isinstance(value, list | tuple) else [value]
            yield from (Knob(here, each) for each in some if type(each) is int)


def lower(config: PreTrainedConfig, knob: Knob, value: int) -> None:
    """Set a number of a configuration."""
    held: object = config
    for name in knob.path[:-1]:
        held = held[name] if isinstance(held, dict) else getattr(held, name)
    name = knob.path[-1]
    before = held[name] if isinstance(held, dict) else getattr(held, name)
    after: object = value
    if isinstance(before, list | tuple):
        after = type(before)(value if each == knob.value else each for each in before)
    if isinstance(held, dict):
        held[name] = after
    else:
        setattr(held, name, after)


def shorten(config: PreTrainedConfig, depth: int, words: int) -> None:
    """Leave the first layers and words only; lists with an entry a layer lose the others."""
    layers = config.num_hidden_layers
    for name, value in list(vars(config).items()):
        if isinstance(value, list | tuple) and len(value) == layers and not name.startswith("_"):
            setattr(config, name, value[:depth])
    config.num_hidden_layers = depth
    config.vocab_size = min(config.vocab_size, words)
    for name, value in list(vars(config).items()):
        if name.endswith("token_id") and type(value) is int:
            setattr(config, name, min(value, config.vocab_size - 1))


def depth_of(module: nn.Module, config: PreTrainedConfig) -> int:
    """How many of the first layers have one of each kind."""
    count = int(config.num_hidden_layers)
    stacks = [
        list(part.children())
        for part in module.modules()
        if type(part).__name__ == "ModuleList" and len(list(part.children())) == count
    ]
    lists = [
        value
        for value in vars(config).values()
        if isinstance(value, list | tuple) and len(value) == count
    ]
    if not stacks:
        return count
    first: dict[object, int] = {}
    for n, layers in enumerate(zip(*stacks, strict=True)):
        kind = *(_kind(layer) for layer in layers), *(str(value[n]) for value in lists)
        first.setdefault(kind, n)
    return min(count, max(2, 1 + max(first.values())))


def _kind(layer: nn.Module) -> tuple[object, ...]:
    """What a layer is made of, and the numbers that its parts hold."""
    return tuple(
        (name, type(part).__name__, *sorted(_plain(part))) for name, part in layer.named_modules()
    )


def _plain(part: nn.Module) -> Iterator[tuple[str, str]]:
    for name, value in vars(part).items():
        if value is None or (isinstance(value, int | str) and "layer" not in name):
            yield name, str(value)
