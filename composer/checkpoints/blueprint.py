"""Tensors by name, as a class has them: of which it is sure, and about what nothing is known."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Blueprint", "Expected", "Shape", "Sign", "Value", "layer", "shape_of"]

Value: TypeAlias = object
Shape: TypeAlias = tuple[int, ...] | None


class Sign:
    """A value that stands for something else."""


OPEN, CONFIG, NOTHING = Sign(), Sign(), Sign()
"""What is not known, the configuration, and a module without tensors."""

PLAIN = (
    *("Dropout", "Dropout1d", "Identity", "GELU", "SiLU", "ReLU", "Tanh", "Sigmoid", "Mish"),
    *("Softmax", "Softplus", "LogSoftmax"),
)
"""Layers of torch without tensors."""


@dataclass(frozen=True)
class Expected:
    """A tensor of a class: whether it must be there, and its shape where that is known.

    `linear` says that it is the matrix of a linear layer.
    """

    required: bool
    shape: Shape = None
    linear: bool = False


@dataclass
class Blueprint:
    """The tensors of a module by name, and the beginnings of names about which nothing is known."""

    tensors: dict[str, Expected] = field(default_factory=dict)
    open: set[str] = field(default_factory=set)

    def put(self, name: str, part: Blueprint, *, sure: bool) -> None:
        """Put a part under a name; where that is not sure, its tensors need not be there."""
        self.open |= {f"{name}.{each}" if each else name for each in part.open}
        for inner, each in part.tensors.items():
            self.tensors[f"{name}.{inner}"] = replace(each, required=each.required and sure)

    def blur(self, name: str) -> None:
        """Claim nothing about what has a name, or about all, of what is known so far."""
        self.open.add(name)
        for each in self.tensors:
            if not name or each == name or each.startswith(f"{name}."):
                self.tensors[each] = Expected(required=False, linear=self.tensors[each].linear)

    def knows(self, name: str) -> bool:
        """Whether a tensor of that name may be there."""
        beginnings = (f"{each}." if each else "" for each in self.open)
        return name in {*self.tensors, *self.open} or name.startswith(tuple(beginnings))


def layer(kind: str, positional: Sequence[Value], named: Mapping[str, Value]) -> Value:
    """Return the tensors of a layer of torch, None where it is none that is known."""
    arguments = dict(zip(LAYERS.get(kind, ()), positional, strict=False)) | dict(named)
    bias = _expected(arguments.get("bias", True))
    out, inner = arguments.get("out", OPEN), arguments.get("inner", OPEN)
    match kind:
        case "Linear":
            out, inner = arguments.get("out_features", out), arguments.get("in_features", inner)
            made = _tensors(weight=(True, shape_of(out, inner)), bias=(bias, shape_of(out)))
            made.tensors["weight"] = replace(made.tensors["weight"], linear=True)
            return made
        case "Conv1D":
            return _tensors(weight=(True, shape_of(inner, out)), bias=(True, shape_of(out)))
        case "Embedding":
            out = arguments.get("num_embeddings", out)
            inner = arguments.get("embedding_dim", inner)
            return _tensors(weight=(True, shape_of(out, inner)))
        case "Conv1d" | "Conv2d":
            return _tensors(weight=(True, None), bias=(bias, None))
        case "LayerNorm":
            size, scaled = (
                arguments.get("normalized_shape", out),
                arguments.get("elementwise_affine"),
            )
            weight = _expected(True if scaled is None else scaled)
            both = bias if weight else weight
            return _tensors(weight=(weight, shape_of(size)), bias=(both, shape_of(size)))
        case _:
            return NOTHING if kind in PLAIN else None


LAYERS: Mapping[str, tuple[str, ...]] = {
    "Linear": ("inner", "out", "bias"),
    "Conv1D": ("out", "inner"),
    "Embedding": ("out", "inner"),
    "LayerNorm": ("out", "eps", "elementwise_affine", "bias"),
}
"""The arguments of layers that have tensors, in their order."""


def _tensors(**tensors: tuple[bool | None, Shape]) -> Blueprint:
    """Return tensors by name: there, not there, or (None) perhaps."""
    named = {
        name: Expected(required is True, shape)
        for name, (required, shape) in tensors.items()
        if required is not False
    }
    return Blueprint(named)


def _expected(flag: Value) -> bool | None:
    return None if isinstance(flag, Sign) else bool(flag)


def shape_of(*sizes: Value) -> Shape:
    """Return a shape, None where one of its sizes is not known."""
    whole = tuple(size for size in sizes if type(size) is int)
    return whole if len(whole) == len(sizes) else None
