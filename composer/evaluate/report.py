"""What an evaluation found, as values and as JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from composer.ports.asking import dollars

if TYPE_CHECKING:
    from collections.abc import Mapping

    from composer.metrics import Interval

__all__ = ["Alone", "Report", "Tagged"]


@dataclass(frozen=True)
class Alone:
    """One member on its own: the rows it was judged on, how often it was right, what it cost."""

    rows: int
    accuracy: float
    cost: float


@dataclass(frozen=True)
class Tagged:
    """The rows of one tag."""

    rows: int
    accuracy: float


@dataclass(frozen=True)
class Report:
    """How good, dear and slow a recipe is on a data set, beside its members alone.

    `random` is what choosing a member by chance would reach, `oracle` what always choosing one
    that is right would. `qualities` holds the judged rows by id: 1 for a right answer.
    """

    recipe: str
    rows: int
    errors: int
    accuracy: float | None
    interval: Interval | None
    members: Mapping[str, Alone]
    random: float | None
    oracle: float | None
    cost: float
    prompt_tokens: int
    completion_tokens: int
    calls: Mapping[str, int]
    seconds: float
    tags: Mapping[str, Tagged]
    qualities: Mapping[str, float] = field(repr=False)

    @property
    def judged(self) -> int:
        """How many rows have a known judgement."""
        return len(self.qualities)

    @property
    def tokens(self) -> int:
        """Tokens read and written, by all members."""
        return self.prompt_tokens + self.completion_tokens

    @property
    def best_member(self) -> str | None:
        """The member that is right most often alone; among equals the cheapest, then the first."""
        ranked = sorted(
            self.members, key=lambda name: (-self.members[name].accuracy, self.members[name].cost)
        )
        return ranked[0] if ranked else None

    def as_dict(self) -> dict[str, Any]:
        """Give the plain values that `--json` prints."""
        return {
            "recipe": self.recipe,
            "rows": self.rows,
            "judged": self.judged,
            "errors": self.errors,
            "accuracy": self.accuracy,
            "interval": [self.interval.low, self.interval.high] if self.interval else None,
            "members": {name: one.accuracy for name, one in self.members.items()},
            "member_costs": {name: dollars(one.cost) for name, one in self.members.items()},
            "best_member": self.best_member,
            "random": self.random,
            "oracle": self.oracle,
            "cost": dollars(self.cost),
            "tokens": self.tokens,
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "calls": dict(self.calls),
            "seconds": self.seconds,
            "tags": {
                tag: {"rows": one.rows, "accuracy": one.accuracy} for tag, one in self.tags.items()
            },
        }
