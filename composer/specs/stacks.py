"""Stacks: models whose layers are those of several models, put on one another."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from composer.diagnostics.amounts import counted
from composer.specs.derived import Derived, recast
from composer.specs.parts import LAYER, tensor_places
from composer.specs.problems import SpecProblem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from composer.specs.headers import TensorHeader
    from composer.specs.parts import LayerPath

__all__ = ["Stack"]

RANGE = re.compile(r"(\d+)(?:-(\d+))?")
BELOW = re.compile(r"emb|wte|wpe")
"""What the names of tensors below the layers have in them; other tensors lie above."""


@dataclass(frozen=True)
class Stack(Derived):
    """A model of donors' layers: for each donor a range such as "0-5", or one layer, "3".

    A donor may stand there several times. The embeddings come from the first one, the last norm
    and the head from the last one. `order` says which layers are kept.
    """

    word: ClassVar[str] = "stack"
    together: ClassVar[str] = "stacked"

    ranges: tuple[str, ...]
    order: LayerPath | None = None

    @property
    def making(self) -> tuple[object, ...]:
        """The ranges of layers, and which of them are kept."""
        return (self.ranges,) if self.order is None else (self.ranges, self.order)

    @property
    def path(self) -> tuple[tuple[int, int], ...]:
        """The layers that are kept, from below."""
        if self.order is None or not self.order.found:
            return self.slots
        return tuple(self.slots[place] for place in self.order.kept(len(self.slots)))

    @property
    def scales(self) -> tuple[float, ...]:
        """What the input of each layer that is kept is multiplied by."""
        if self.order is None or not self.order.found:
            return (1.0,) * len(self.slots)
        return tuple(self.order.scales(len(self.slots)))

    @property
    def slots(self) -> tuple[tuple[int, int], ...]:
        """All layers from below: the place of the donor and the number that the layer has there."""
        spans = enumerate(_span(text) for text in self.ranges)
        return tuple((donor, layer) for donor, span in spans for layer in span)

    def formula(self, names: Sequence[str]) -> str:
        """Say which layers follow one another."""
        pairs = zip(names, self.ranges, strict=True)
        by = "" if self.order is None else f", kept by {self.order.name}"
        return "layers " + ", ".join(f"{layers} of {name}" for name, layers in pairs) + by

    def option_problems(self) -> Iterator[SpecProblem]:
        """Yield why the ranges cannot be read, or are not as many as the members."""
        members, ranges = len(self.donors), len(self.ranges)
        if members != ranges:
            text = f"{counted(members, 'member')}, but {counted(ranges, 'range')} of layers"
            help_ = "give one range for each member, in order; a member may stand there twice"
            yield SpecProblem("E403", text, help_, f"should be {members}", field="layers")
        for text in self.ranges:
            if not _span(text):
                message = f"`{text}` is no range of layers"
                help_ = 'write the first and the last layer, counted from 0: `"0-5"`, or one: `"3"`'
                yield SpecProblem("E402", message, help_, "is no range", field="layers")

    def mismatches(
        self, tensors: Sequence[Mapping[str, TensorHeader]], vocabularies: Sequence[str | None]
    ) -> Iterator[SpecProblem]:
        """Yield which donors lack a layer, or whose layers do not fit on those of the first."""
        absent = [*self._absent(tensors)]
        yield from absent
        if not absent:
            patterns = [_patterns(each) for each in tensors]
            problems = [*self.unlike(patterns, vocabularies)]
            yield from problems or self._uneven(tensors)

    def _absent(self, tensors: Sequence[Mapping[str, TensorHeader]]) -> Iterator[SpecProblem]:
        for donor, (text, held) in enumerate(zip(self.ranges, tensors, strict=True)):
            count = _depth(held)
            if held and _span(text)[-1] >= count:
                label = self.labels[donor]
                has = f"has {counted(count, 'layer')}"
                has += f", 0 to {count - 1}" if count else " whose names tell their numbers"
                message = f"`{label}` has no layer {_span(text)[-1]}: it {has}"
                yield SpecProblem("E403", message, "", "is too high", has, field="layers")

    def _uneven(self, tensors: Sequence[Mapping[str, TensorHeader]]) -> Iterator[SpecProblem]:
        """Yield the first layer that has other tensors than the lowest one of the stack."""
        shapes = [
            {pattern: header.shape for pattern, header in _layer(tensors[donor], number).items()}
            for donor, number in self.path
            if tensors[donor]
        ]
        odd = next((place for place, each in enumerate(shapes) if each != shapes[0]), None)
        if odd is not None:
            donor, number = self.path[odd]
            text = f"layer {number} of `{self.labels[donor]}` is of another kind than the lowest"
            help_ = "stack layers that have the same tensors"
            yield SpecProblem("E306", text, help_, "has other layers", "stacked here", member=donor)

    @property
    def tensors(self) -> Mapping[str, TensorHeader]:
        """The tensors to be built."""
        held = [source.tensors for source in self.sources]
        if not all(held):
            return {}
        return recast(
            {name: held[donor][old] for name, (donor, old) in self.origins(held).items()},
            self.dtype,
        )

    def origins(
        self, tensors: Sequence[Mapping[str, TensorHeader]]
    ) -> Mapping[str, tuple[int, str]]:
        """Return of each tensor to be built its donor and its name there, in their order."""
        first, last = 0, len(tensors) - 1
        beside = [name for name, place in tensor_places(tensors[0]).items() if place.layer is None]
        below = {name: (first, name) for name in beside if BELOW.search(name)}
        above = {name: (last, name) for name in beside if name not in below}
        layers = {
            _renumbered(name, to): (donor, name)
            for to, (donor, number) in enumerate(self.path)
            for name, place in tensor_places(tensors[donor]).items()
            if place.layer == number
        }
        return below | layers | above

    @property
    def memory(self) -> int:
        """The bytes that building needs: those of the largest tensor."""
        return max((tensor.bytes for tensor in self.tensors.values()), default=0)


def _span(text: str) -> range:
    """Return the layers of a range; none where it is no range."""
    found = RANGE.fullmatch(text.strip())
    if found is None:
        return range(0)
    first = int(found[1])
    return range(first, int(found[2] or first) + 1)


def _depth(tensors: Mapping[str, TensorHeader]) -> int:
    return max((place.layers for place in tensor_places(tensors).values()), default=0)


def _renumbered(name: str, number: int) -> str:
    """Return the name of a tensor as it is in another layer; one beside the layers stays."""
    found = LAYER.search(name)
    return name if found is None else f"{name[: found.start(1)]}{number}{name[found.end(1) :]}"


def _layer(tensors: Mapping[str, TensorHeader], number: int) -> Mapping[str, TensorHeader]:
    """Return the tensors of a layer, as if it were the lowest."""
    return _patterns(
        {n: tensors[n] for n, place in tensor_places(tensors).items() if place.layer == number}
    )


def _patterns(tensors: Mapping[str, TensorHeader]) -> Mapping[str, TensorHeader]:
    """Return the tensors of a model as if it had one layer, which is its highest."""
    return {_renumbered(name, 0): header for name, header in tensors.items()}
