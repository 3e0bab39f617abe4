"""What a recipe says after `model A =`: a backend with its options."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

from composer.ports.typed import Typed

if TYPE_CHECKING:
    from composer.models.card import Card
    from composer.ports.asking import Sampling, Usage
    from composer.ports.values import Query, Text

__all__ = ["Declaration", "TextModel"]


@runtime_checkable
class TextModel(Protocol):
    """A model that is asked for whole answers: a server, a recording, a fake."""

    async def generate(self, query: Query, sampling: Sampling, source: str) -> tuple[Text, Usage]:
        """Answer a query; `source` is the name that the answer is signed with."""
        ...


class Declaration(Typed):
    """A declared model. Subclasses are the backends; equal declarations share their weights.

    A backend names its options as fields, `price` last among them: a field of this class would
    become the first option of every backend. `may_abstain` says that an answer may be none.
    """

    may_abstain: ClassVar[bool] = False

    @property
    def aliases(self) -> tuple[str, ...]:
        """The names under which data files know this model."""
        return ()

    def card(self) -> Card:
        """Say what the model can do, from light files only."""
        raise NotImplementedError

    def identity(self) -> str:
        """Name the content: declarations with one identity are one model."""
        return f"{self.name}:{self!r}"

    def content(self) -> str:
        """Name what the answers depend on, wherever it lies: what a cache of answers keys on."""
        return self.identity()

    def member(self, name: str) -> object:
        """Make the handle that a run uses: a `Checkpoint`, or a `TextModel`."""
        raise NotImplementedError
