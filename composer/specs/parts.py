"""What models know of the parts that they are made of.

The kinds of a fuse's parts, with the methods that the engine calls, are in
`composer.engine.parts` and `composer.engine.sessions.parts`. What a fuse checks when it is made is
described here.
"""

from __future__ import annotations

import os
import re
from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol, Self

from pydantic import model_validator

from composer.diagnostics.secrets import hide
from composer.specs.declaration import Chat
from composer.values.typed import FilePath, Typed, Variables

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from torch import Tensor

    from composer.specs.problems import SpecProblem
    from composer.values.capability import Capability
    from composer.values.flow import Query

__all__ = [
    "LAYER",
    "AlignSpec",
    "ChatFile",
    "Coefficients",
    "CombineSpec",
    "DraftSpec",
    "Edit",
    "HandoverSpec",
    "Key",
    "LayerPath",
    "ObjectiveSpec",
    "Renders",
    "Router",
    "RouterBase",
    "TensorPlace",
    "WeighSpec",
    "chosen_chat",
    "kind_of",
    "tensor_places",
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


def chosen_chat(template: ChatFile | str, args: Variables) -> Chat:
    """Return which template writes prompts: the one in a file, or the tokenizer's of that name."""
    if isinstance(template, ChatFile):
        return Chat("chat", template.path, args)
    return Chat(template, args=args)


class Key(Typed):
    """The key of a service, named by the variable of the environment that holds it."""

    name: ClassVar[str] = "env"

    variable: str

    @model_validator(mode="after")
    def _set(self) -> Self:
        if not os.environ.get(self.variable):
            has = "is empty in the environment" if self.variable in os.environ else "is not set"
            raise ValueError(f"the key is in a variable that {has}: `{self.variable}`")
        hide(os.environ[self.variable])
        return self

    @property
    def secret(self) -> str:
        """The key itself, as the environment has it now."""
        return hide(os.environ.get(self.variable, ""))


def kind_of(part: type[Typed]) -> str:
    """Return the name of a part's kind: its base class that is derived from `Typed` itself."""
    kind = next((base for base in part.__mro__ if Typed in base.__bases__), part)
    return kind.__name__.lower()


class AlignSpec(Protocol):
    """What a fuse checks of its alignment, a `composer.engine.parts.Align`."""

    name: ClassVar[str]
    alike: ClassVar[bool]
    vanishes: ClassVar[bool]


class CombineSpec(Protocol):
    """What a fuse checks of its combination, a `composer.engine.parts.Combine`."""

    name: ClassVar[str]
    signed: ClassVar[bool]
    cascade: ClassVar[bool]


class WeighSpec(Protocol):
    """What a fuse checks of its weights, a `composer.engine.parts.Weigh`."""

    once: ClassVar[bool]
    reads_hidden: ClassVar[bool]


class DraftSpec(Protocol):
    """What a fuse checks of its draft, a `composer.engine.sessions.parts.Draft`."""

    name: ClassVar[str]
    alike: ClassVar[bool]
    lone: ClassVar[bool]


class ObjectiveSpec(Protocol):
    """What `distill` checks of its objective: what teachers must give, and whether here."""

    name: ClassVar[str]
    needs: ClassVar[Capability]
    here: ClassVar[bool]


class HandoverSpec(Protocol):
    """What `handoff` checks of its rule, a `composer.engine.sessions.parts.Handover`."""

    name: ClassVar[str]

    @property
    def experts(self) -> int:
        """How many experts it tells apart."""


@dataclass(frozen=True, slots=True)
class TensorPlace:
    """Which tensor of a model is made: its name, and its layer, of so many; None beside them."""

    name: str
    layer: int | None
    layers: int

    @property
    def depth(self) -> float | None:
        """How far up its layer is, from 0 to 1; None for a tensor beside the layers."""
        if self.layer is None:
            return None
        return self.layer / (self.layers - 1) if self.layers > 1 else 0.0


def tensor_places(names: Iterable[str]) -> dict[str, TensorPlace]:
    """Return the place of each tensor of a model, read out of its name."""
    layers = {name: _layer(name) for name in names}
    count = max((layer + 1 for layer in layers.values() if layer is not None), default=0)
    return {name: TensorPlace(name, layer, count) for name, layer in layers.items()}


LAYER = re.compile(r"(?:^|\.)(?:layers|layer|h|blocks|block)\.(\d+)\.")
"""How the name of a tensor tells the number of its layer."""


def _layer(name: str) -> int | None:
    found = LAYER.search(name)
    return None if found is None else int(found[1])


class Edit(Typed):
    """How tensors of one name become one, where models are merged.

    Where `differences` is set, the first member is the base, and what is edited are the other
    members' differences from it; that needs a formula. Where `affine` is set, the coefficients must
    have the sum 1. An `elementwise` edit makes each number of the numbers at its place alone, so a
    large tensor is merged in blocks of rows. `members` is how many members there must be, None for
    any number.
    """

    differences: ClassVar[bool] = False
    affine: ClassVar[bool] = False
    elementwise: ClassVar[bool] = False
    members: ClassVar[int | None] = None

    @abstractmethod
    def merged(
        self, tensors: Sequence[Tensor], coefficients: Sequence[float], place: TensorPlace
    ) -> Tensor:
        """Return the tensor that several make, in float32 or float64; the first one is the base."""

    def surveyed(self, tensors: Iterable[tuple[TensorPlace, Sequence[Tensor]]]) -> Edit:
        """Return the edit to merge with, after a look at the tensors of all members.

        Only an edit that compares tensors looks at them, since that reads all files once more.
        """
        del tensors
        return self


class Coefficients(Typed):
    """The members' coefficients in each tensor, where one number for each member is not enough."""

    @abstractmethod
    def at(self, place: TensorPlace, given: Sequence[float]) -> Sequence[float]:
        """Return the coefficient of each member in a tensor; `given` are those of the formula."""

    def edit(self, given: Edit) -> Edit:
        """Return the edit, whose options may have been searched too."""
        return given

    def problems(self, edit: Edit, count: int, *, formula: bool) -> Iterator[SpecProblem]:
        """Yield why it cannot be used with an edit of so many members, or with a formula."""
        del edit, count, formula
        return iter(())


class LayerPath(Typed):
    """Which layers of a stack are kept, and what the input of each is multiplied by."""

    @property
    @abstractmethod
    def found(self) -> bool:
        """Whether it says anything yet; until then all layers are kept as they are."""

    @abstractmethod
    def kept(self, count: int) -> Sequence[int]:
        """Return the places of the layers that are kept, of so many, from below."""

    @abstractmethod
    def scales(self, count: int) -> Sequence[float]:
        """Return by what the input of each layer that is kept is multiplied: a positive number."""


class RouterBase(Protocol):
    """What the gates of a mixture of experts are made of: the base model, and its sizes.

    `layers` is how many layers it has, `size` the width of its hidden states.
    """

    layers: int
    size: int

    def hidden(self, prompts: Sequence[str]) -> Tensor:
        """Return the mean input of the MLP of each layer over all tokens of prompts [layer, size].

        This runs the model.
        """

    def embedded(self, prompts: Sequence[str]) -> Tensor:
        """Return the mean embedding of all tokens of prompts [size]."""


class Router(Typed):
    """What the gates of a mixture of experts are: which experts a token uses, and how much.

    A gate has a row for each expert. The experts with the largest products of their row and a
    token's hidden state are used, weighted with the softmax of these products. `runs_base` says
    that the base model is run to make them.
    """

    runs_base: ClassVar[bool] = False

    @abstractmethod
    def rows(self, base: RouterBase, experts: int) -> Tensor:
        """Return the rows of the gates [layer, expert, size], in float32."""

    def problems(self, experts: Sequence[str], top: int) -> Iterator[SpecProblem]:
        """Yield why these gates cannot choose `top` of some experts: by default nothing."""
        del experts, top
        return iter(())
