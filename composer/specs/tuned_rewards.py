"""Reward models that are trained here, on pairs of answers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from composer.diagnostics.amounts import counted
from composer.specs.content import file_digest
from composer.specs.derived import Trained
from composer.values.capability import Capability

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.specs.declaration import Remote
    from composer.values.card import Card
    from composer.values.typed import Typed

__all__ = ["TunedReward"]


@dataclass(frozen=True)
class TunedReward(Trained):
    """A language model, its only donor, with new heads that were trained with it on `pairs`.

    Each of `heads` gives a reward; with `bootstrap` each learns from pairs of its own. `diversity`
    is the weight of the nuclear norm of the heads' matrix. `client` reads what is built, in a
    folder that it is given.
    """

    word: ClassVar[str] = "tune_reward"

    pairs: str
    heads: int
    bootstrap: bool
    diversity: float
    training: Typed
    client: Remote

    @property
    def reads(self) -> Remote:
        """The client's."""
        return self.client

    @property
    def in_engine(self) -> bool:
        """No: a client reads it."""
        return False

    @property
    def card(self) -> Card:
        """That of the donor, as far as a reward model has it."""
        able = Capability.REWARD | Capability.WEIGHTS
        return replace(super().card, capabilities=able)

    @property
    def making(self) -> tuple[object, ...]:
        """What the pairs hold, the heads and the training."""
        options = self.heads, self.bootstrap, self.diversity
        return file_digest(self.pairs), *options, self.training

    def formula(self, names: Sequence[str]) -> str:
        """Write what it is made of."""
        return f"{names[0]} with {counted(self.heads, 'head')}, trained on pairs of answers"
