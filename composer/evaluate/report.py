"""What an evaluation found, as values and as JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from composer.evaluate.members import best_of
from composer.values import Usage
from composer.values.results import dollars

if TYPE_CHECKING:
    from collections.abc import Mapping

    from composer.evaluate.benchmarks import Published
    from composer.evaluate.equal import EqualCalls
    from composer.evaluate.members import MemberSummary
    from composer.evaluate.router import Router
    from composer.evaluate.slices import Tagged
    from composer.evaluate.ties import Ties
    from composer.evaluate.worth import Worth
    from composer.metrics import Interval
    from composer.run.counts import OutOfDistribution
    from composer.values import JSON

__all__ = ["Report"]


@dataclass(frozen=True)
class Report:
    """How good, dear and slow a recipe is on a data set, beside its members alone.

    `random` is what choosing a member by chance would reach, `oracle` what always choosing one that
    is right would. `over_best` is the difference to the best member over the rows judged for both.
    `router` is there where a route chose among branches whose outcomes are known, `cascade` where
    the answer comes from a cascade and the outcomes of its stages are known. `worth` is the verdict
    beside the members, where there are several, and `equal` the best of them at equal calls and
    dollars. `overlap` counts the rows whose questions a route was fitted on, `foreign` is what the
    test says whether the rows are like these. `qualities` holds the judged rows by id: 1 for a
    right answer. `ties` is there where votes were tied: the accuracy in expectation over who wins.
    `failure` says which row failed first, and why. `partial` counts the rows that were answered
    without branches that failed, and `failed_branches` how often each did.
    `published` holds the figures that the benchmark of the rows defines, where they are from one.
    `not_asked` counts the rows that did not fit into the budget, `ungraded` the answers that
    nothing could grade, each with the first reason. `answers` holds the question and the answer by
    id. `cached` counts the calls that the cache answered: they cost nothing now. `judging` is what
    the judges took; the other figures do not count it. `cost` leaves out the `unpriced` calls,
    whose cost is not known; in `estimated_cost` their rows count with the mean of the other rows,
    as those of members do. It is None where the cost of no row is known.
    """

    recipe: str
    rows: int
    errors: int
    accuracy: float | None
    interval: Interval | None
    members: Mapping[str, MemberSummary]
    random: float | None
    oracle: float | None
    cost: float
    prompt_tokens: int
    completion_tokens: int
    calls: Mapping[str, int]
    seconds: float
    tags: Mapping[str, Tagged]
    qualities: Mapping[str, float] = field(repr=False)
    ties: Ties | None = None
    over_best: Interval | None = None
    router: Router | None = None
    cascade: Router | None = None
    worth: Worth | None = None
    equal: tuple[EqualCalls, ...] = ()
    overlap: int = 0
    foreign: OutOfDistribution | None = None
    failure: str | None = None
    partial: int = 0
    failed_branches: Mapping[str, int] = field(default_factory=dict)
    published: Published | None = None
    not_asked: int = 0
    refusal: str | None = None
    ungraded: int = 0
    ungraded_reason: str | None = None
    cached: int = 0
    answers: Mapping[str, tuple[str, str]] = field(default_factory=dict, repr=False)
    judging: Usage = field(default_factory=Usage)
    unpriced: int = 0
    estimated_cost: float | None = None

    @property
    def chooser(self) -> Router | None:
        """The cascade that the answer comes from, else the route."""
        return self.router if self.cascade is None else self.cascade

    @property
    def judged(self) -> int:
        """How many rows have a known judgement."""
        return len(self.qualities)

    @property
    def tokens(self) -> int | None:
        """Tokens read and written, by all members; None where none of their answers has them."""
        tokens = self.prompt_tokens + self.completion_tokens
        return None if self.calls and not tokens else tokens

    @property
    def graded(self) -> bool:
        """Whether answers have scores, not only right or wrong."""
        return any(quality not in (0.0, 1.0) for quality in self.qualities.values())

    @property
    def best_member(self) -> str | None:
        """The member that is best alone."""
        return best_of(self.members)

    def as_dict(self) -> dict[str, JSON]:
        """Give the plain values that `--json` prints."""
        return {
            "recipe": self.recipe,
            "rows": self.rows,
            "judged": self.judged,
            "errors": self.errors,
            "failure": self.failure,
            "not_asked": self.not_asked,
            "ungraded": self.ungraded,
            "ungraded_reason": self.ungraded_reason,
            "partial": self.partial,
            "failed_branches": dict(self.failed_branches),
            "accuracy": self.accuracy,
            "interval": [self.interval.low, self.interval.high] if self.interval else None,
            "ties": self.ties.as_dict() if self.ties is not None else None,
            "members": {name: one.accuracy for name, one in self.members.items()},
            "member_costs": {
                name: None if one.cost is None else dollars(one.cost)
                for name, one in self.members.items()
            },
            "best_member": self.best_member,
            "random": self.random,
            "oracle": self.oracle,
            "cost": dollars(self.cost),
            "unpriced_calls": self.unpriced,
            "tokens": self.tokens,
            "prompt_tokens": None if self.tokens is None else self.prompt_tokens,
            "completion_tokens": None if self.tokens is None else self.completion_tokens,
            "calls": dict(self.calls),
            "cached": self.cached,
            "judging": dict(self.judging.as_dict()) if self.judging.calls else None,
            "seconds": self.seconds,
            "tags": {tag: one.as_dict() for tag, one in self.tags.items()},
            "over_best_member": _plain(self.over_best),
            "router": self.router.as_dict() if self.router is not None else None,
            "cascade": self.cascade.as_dict() if self.cascade is not None else None,
            "worth": self.worth.as_dict() if self.worth is not None else None,
            "equal_calls": [one.as_dict() for one in self.equal],
            "rows_learnt_from": self.overlap,
            "foreign": self.foreign.as_dict() if self.foreign is not None else None,
            "published": self.published.as_dict() if self.published is not None else None,
        }


def _plain(one: Interval | None) -> dict[str, JSON] | None:
    if one is None:
        return None
    return {"difference": one.mean, "interval": [one.low, one.high], "settled": one.settled}
