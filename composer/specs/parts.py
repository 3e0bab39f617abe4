"""The kinds of parts that a fuse is made of, as the values of a recipe: options, and no tables.

What a part needs in order to work (tables, arrays) comes from opening it with the members that
are there, which is the engine's business.
"""

from __future__ import annotations

from abc import abstractmethod
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, ClassVar, Protocol

from composer.values.typed import FilePath, Typed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import Tensor

    from composer.values.flow import Query

__all__ = [
    "Align",
    "ChatFile",
    "Combine",
    "Draft",
    "Edit",
    "Gate",
    "Handover",
    "Renders",
    "TensorPart",
    "Weigh",
    "kind_of",
]


class Renders(Protocol):
    """A template that makes a member's prompt out of the query."""

    @property
    def text(self) -> str:
        """The template as it is written."""

    def render(self, value: Query) -> str:
        """Fill in what the query holds."""


class ChatFile(Typed):
    """A chat template in a file of its own, instead of the tokenizer's."""

    name: ClassVar[str] = "file"

    path: FilePath


class TensorPart(Typed):
    """A part whose work is done on tensors: `where` names the function that opens it."""

    where: ClassVar[str]

    def load(self) -> Callable[..., object]:
        """Return the function `module:name`, imported now, with the part's options."""
        module, _, name = self.where.partition(":")
        function: Callable[..., object] = getattr(import_module(module), name)
        return partial(function, **self.arguments())

    def arguments(self) -> Mapping[str, object]:
        """Return what the function is given beside the members: the options."""
        return {name: getattr(self, name) for name in type(self).model_fields}


def kind_of(part: type[Typed]) -> str:
    """Return the name of a part's kind: its base class that is no other's kind."""
    roots = {Typed, TensorPart}
    kind = next((base for base in part.__mro__ if roots.intersection(base.__bases__)), part)
    return kind.__name__.lower()


class Align(TensorPart):
    """How next-token distributions over different vocabularies are brought together.

    `alike` says that it takes members of one vocabulary, `vanishes` that over one vocabulary it
    changes nothing, and `whole` that each member's distribution stays what it is, token by token.
    """

    alike: ClassVar[bool] = False
    vanishes: ClassVar[bool] = False
    whole: ClassVar[bool] = False


class Combine(TensorPart):
    """How the members' next-token distributions become one.

    `signed` says that a negative weight has a meaning, `pools` that what is combined may be
    combined again: the weights multiply.
    """

    signed: ClassVar[bool] = False
    pools: ClassVar[bool] = False


class Weigh(TensorPart):
    """How the members' weights follow from what they say: at every token, or once an answer."""

    once: ClassVar[bool] = False
    """Whether the weights are found once, from the prompt."""


class Gate(TensorPart):
    """When the members after the first are asked; else the first one's own token stands."""


class Draft(TensorPart):
    """A member writes some tokens alone; the others read all of them in one pass.

    `alike` says that all members need one vocabulary, `lone` that each has to be one model.
    """

    alike: ClassVar[bool] = False
    lone: ClassVar[bool] = False


class Handover(TensorPart):
    """When the first member stops and which expert goes on."""

    @property
    @abstractmethod
    def experts(self) -> int:
        """How many experts it tells apart."""


class Edit(Typed):
    """How tensors of one name become one, where models are merged."""

    @abstractmethod
    def merged(self, tensors: Sequence[Tensor], coefficients: Sequence[float]) -> Tensor:
        """Return the tensor that several make, in float32 or float64; the first one is the base."""
