"""Making a model's configuration small: its numbers lowered, and few of its layers."""

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
    """A number in a configuration, by its path; in a list, all numbers that are equal to it."""

    path: tuple[str, ...]
    value: int


def knobs(config: PreTrainedConfig, above: int, below: int | None) -> list[Knob]:
    """All numbers in a range that may be attention windows: no token ids, no common sizes."""
    sizes = {config.attribute_map.get(name, name) for name in _SIZES}
    numbers = dict.fromkeys(_numbers(vars(config), ()))
    return [
        knob
        for knob in numbers
        if knob.path[0] not in sizes and above < knob.value < (below or knob.value + 1)
    ]


def _numbers(values: Mapping[str, object], path: tuple[str, ...]) -> Iterator[Knob]:
    for key, value in values.items():
        name = str(key)
        here = (*path, name)
        if name.startswith("_") or name.endswith(_ID):
            continue
        if isinstance(value, dict):
            yield from _numbers(value, here)
        elif isinstance(value, transformers.PreTrainedConfig):
            yield from _numbers(vars(value), here)
        else:
            items = value if isinstance(value, list | tuple) else [value]
            yield from (Knob(here, item) for item in items if type(item) is int)


def lower(config: PreTrainedConfig, knob: Knob, value: int) -> None:
    """Set a number of a configuration."""
    owner: object = config
    for name in knob.path[:-1]:
        owner = owner[name] if isinstance(owner, dict) else getattr(owner, name)
    name = knob.path[-1]
    before = owner[name] if isinstance(owner, dict) else getattr(owner, name)
    after: object = value
    if isinstance(before, list | tuple):
        after = type(before)(value if item == knob.value else item for item in before)
    if isinstance(owner, dict):
        owner[name] = after
    else:
        setattr(owner, name, after)


def shorten(config: PreTrainedConfig, depth: int, words: int) -> None:
    """Keep the first layers and tokens only, and the first items of lists with one a layer."""
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
    """How many of the first layers are needed to have every kind of layer, at least two."""
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
    """What distinguishes kinds of layers: their modules, and the numbers that these hold."""
    return tuple(
        (name, type(part).__name__, *sorted(_plain(part))) for name, part in layer.named_modules()
    )


def _plain(part: nn.Module) -> Iterator[tuple[str, str]]:
    for name, value in vars(part).items():
        if value is None or (isinstance(value, int | str) and "layer" not in name):
            yield name, str(value)
