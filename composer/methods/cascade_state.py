"""What a cascade knows while it runs: the question, its stages, and the answers so far."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from composer.values.flow import nothing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from composer.values import Query, Text

Known = float | str | bool | None
"""The value of a signal; None where it cannot be known."""


@dataclass(frozen=True, slots=True, eq=False)
class StageAnswer:
    """What a stage answered, and what that took: dollars (NaN unknown), calls and seconds.

    `signals` are those that were measured on it, by their text.
    """

    text: Text
    signals: Mapping[str, Known] = field(default_factory=nothing)
    cost: float = math.nan
    calls: int = 0
    seconds: float = math.nan

    def measured(self, signals: Mapping[str, Known]) -> StageAnswer:
        """Return the same answer with more signals."""
        return replace(self, signals=MappingProxyType({**self.signals, **signals}))


@dataclass(frozen=True, slots=True, eq=False)
class CascadeState:
    """A question, the names of the stages in their order, and what they have answered so far.

    `answers` are by the place of their stage, in the order in which they came. `failed` are the
    places of the stages that failed. Where a cascade is given an answer, that is its first stage.
    `taken` is the stage whose answer was taken, once that is decided.
    """

    query: Query
    names: tuple[str, ...]
    answers: Mapping[int, StageAnswer] = field(default_factory=lambda: MappingProxyType({}))
    failed: frozenset[int] = frozenset()
    taken: int | None = None

    @property
    def open(self) -> tuple[int, ...]:
        """The stages that can still be asked, in their order."""
        return tuple(
            at for at in range(len(self.names)) if at not in self.answers and at not in self.failed
        )

    @property
    def latest(self) -> int | None:
        """The stage that answered last, None before any has."""
        stages = list(self.answers)
        return stages[-1] if stages else None

    @property
    def answered(self) -> frozenset[int]:
        """The stages that have answered."""
        return frozenset(self.answers)

    def with_answer(self, stage: int, answer: StageAnswer) -> CascadeState:
        """Return the state after a stage answered, or after more was measured on its answer."""
        return replace(self, answers=MappingProxyType({**self.answers, stage: answer}))

    def with_failure(self, stage: int) -> CascadeState:
        """Return the state after a stage failed."""
        return replace(self, failed=self.failed | {stage})


@dataclass(frozen=True, slots=True, eq=False)
class Move:
    """What a cascade does next: ask a stage, or take its answer if it has answered.

    `facts` say why, for the trace.
    """

    stage: int
    facts: Mapping[str, object] = field(default_factory=nothing)
