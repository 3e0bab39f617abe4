"""Thresholds with a guarantee: `certified` by labels, `label_free` by the last stage's answers.

Both search thresholds on some rows and certify them on the others; see `certifying.py`.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import Field, model_validator

from composer.heavy import np
from composer.methods.acceptances.base import SignalThresholds, in_order
from composer.methods.acceptances.certifying import Search
from composer.methods.acceptances.promises import Promise
from composer.methods.acceptances.replay import Replay
from composer.methods.agreements.base import Exact, TextAgreement
from composer.methods.cascade_state import Move
from composer.methods.fitted import named, shaped
from composer.methods.mistakes import PartError
from composer.methods.signals.base import Signal
from composer.methods.signals.learned import LearnedSignal
from composer.methods.signals.measured import Agreed, Confidence
from composer.values import State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from composer.methods.acceptances.certifying import Certificate
    from composer.methods.cascade_state import CascadeState
    from composer.methods.cascade_table import CascadeTable
    from composer.methods.estimators.values import Floats


RISK = 0.1
"""The share of differing answers that is promised where nothing is said."""


class Guaranteed(SignalThresholds):
    """A threshold for each stage but the last, under which a promise holds with certainty `sure`.

    An answer is accepted where its signal `of` reaches the threshold of its stage; where the signal
    is unknown, the next stage is asked. Thresholds are searched on the share `search` of the rows
    (1,000 at most), and tested on the others. With a `budget` it is promised too that at most the
    share `beyond` of the questions cost more than so many dollars. With `skip` the search may leave
    out a stage, as if it were not in the cascade.
    """

    sure: float = Field(default=0.9, gt=0, lt=1)
    budget: float | None = Field(default=None, gt=0)
    beyond: float = Field(default=0.1, gt=0, lt=1)
    search: float = Field(default=0.33, gt=0, lt=1)
    skip: bool = False

    @model_validator(mode="after")
    def _skips_by_one_answer(self) -> Self:
        if self.skip and self.of.reads_earlier:
            raise ValueError(f"with `skip`, `{self.of}` would lack answers that it reads")
        return self

    @property
    def separate_stages(self) -> bool:
        """Where a stage may be left out, the answers of the fit must not depend on it."""
        return self.skip

    @property
    def limits_cost(self) -> bool:
        """Whether there is a budget."""
        return self.budget is not None

    @property
    def promises(self) -> tuple[Promise, ...]:
        """What is promised."""
        if self.budget is None:
            return ()
        return (Promise("over_budget", self.beyond, self.budget),)

    @property
    def aim(self) -> Promise | None:
        """What should be little beside the promises, None for the cost."""
        return None

    @abstractmethod
    def replay(self, table: CascadeTable) -> tuple[Replay, Floats]:
        """Return the rows to search and test on, and how good each answer is taken to be."""

    def fit(self, table: CascadeTable, seed: int) -> State:
        """Search thresholds on some rows, and certify them on the others."""
        replay, quality = self.replay(table)
        if not np.isfinite(replay.signal[:, :-1]).any():
            text = f"`{self.of}` is not known of any answer, so no threshold can be searched"
            raise PartError("E509", text, "use a signal that the models of this cascade give")
        if self.budget is not None:
            _demand_costs(self.name, table, replay)
        certificate = self.certify(replay, quality, seed)
        facts = {
            "part": self.name,
            "names": list(table.names),
            "guarantees": self._guarantees(certificate),
        }
        arrays = {
            # A fit file holds no infinity: an infinite threshold is a 0 that is not `asked`.
            "asked": np.isfinite(certificate.thresholds[:-1]),
            "thresholds": np.where(
                np.isfinite(certificate.thresholds), certificate.thresholds, 0.0
            )[:-1],
            "sign": np.array([certificate.sign]),
        }
        return State(arrays, facts)

    def certify(self, replay: Replay, quality: Floats, seed: int) -> Certificate:
        """Search and test on rows of a replay; raises PartError (E509) where nothing passes."""
        search = Search(self.name, self.promises, self.sure, self.aim, self.search, seed)
        return search.certify(replay, quality)

    def _guarantees(self, certificate: Certificate) -> list[dict[str, object]]:
        """Return each promise with what it came to on the rows of the test."""
        each = zip(self.promises, certificate.losses, certificate.counts, strict=True)
        return [
            {
                "promise": str(promise),
                "bound": promise.limit,
                "sure": self.sure,
                "measured": round(loss, 6),
                "rows": rows,
            }
            for promise, loss, rows in each
        ]

    def move(self, state: CascadeState) -> Move:
        """Accept the latest answer if its signal reaches the threshold of its stage."""
        fitted = self.state()
        gates = len(named(fitted, state.names, self.name)) - 1
        finite = shaped(fitted, "asked", gates).astype(bool)
        thresholds = shaped(fitted, "thresholds", gates)
        sign = float(shaped(fitted, "sign", 1)[0])
        latest = state.latest
        skipped = {at for at in range(gates) if self.skip and not finite[at]}
        wanted = [at for at in state.open if at not in skipped and (latest is None or at > latest)]
        if latest is None:
            return Move((wanted or state.open)[0])
        if not wanted:
            return Move(latest)
        value = state.answers[latest].signals.get(str(self.of))
        if not isinstance(value, float | int) or not finite[latest]:
            return Move(wanted[0])
        accepted = sign * value >= thresholds[latest]
        return in_order(state, accepted=True) if accepted else Move(wanted[0])

    def guarantees(self, state: State) -> list[dict[str, object]]:
        """Return the promises with what they came to on the rows of the test."""
        return list(state.facts["guarantees"])

    def notes(self, state: State) -> Iterator[str]:
        """Say where a promise is not exact."""
        del state
        if isinstance(self.of, LearnedSignal) and self.of.open:
            yield (
                f"the promise of `{self.name}` is approximate, because `{self.of}` is fitted on "
                "the same rows: fit it on other rows and name its `file` for an exact one"
            )


class Certified(Guaranteed):
    """The cheapest thresholds under which at most the share `risk` of some answers are bad.

    `counts` says which: `errors` are wrong answers among all, `accepted_errors` wrong ones among
    those that are accepted before the last stage, `worse_than_last` wrong ones where the last stage
    would have been right. The bound is distribution-free (learn then test): it needs no more than
    rows that are like the questions to come. It fails with a probability of at most 1 - `sure`.
    """

    name: ClassVar[str] = "certified"
    paper: ClassVar[str] = "arXiv:2110.01052"

    of: Signal = Confidence()
    risk: float = Field(default=0.05, gt=0, lt=1)
    counts: Literal["errors", "accepted_errors", "worse_than_last"] = "errors"

    @property
    def promises(self) -> tuple[Promise, ...]:
        """The risk, and the budget if there is one."""
        return (Promise(self.counts, self.risk), *super().promises)

    def replay(self, table: CascadeTable) -> tuple[Replay, Floats]:
        """Return the rows of which every answer is graded."""
        replay = Replay.of(table, self.of, None, skips=self.skip)
        replay = replay.take(
            np.flatnonzero((np.isfinite(replay.quality) | ~replay.answered).all(1))
        )
        _demand_rows(self.name, replay.rows, "rows on which every stage's answer is graded")
        return replay, replay.quality


class LabelFree(Guaranteed):
    """Thresholds by agreement with the last stage, which is taken to be right: nothing is graded.

    Two answers are the same by `by`. With a `budget` the answers differ from those of the last
    stage as seldom as the budget allows. With a `risk` it is promised that at most this share
    differs, and the cost is the least; 0.1 where neither is set. Errors of the last stage are
    errors here too.
    """

    name: ClassVar[str] = "label_free"
    paper: ClassVar[str] = "arXiv:2511.07396"

    of: Signal = Agreed()
    by: TextAgreement = Exact()
    risk: float | None = Field(default=None, gt=0, lt=1)

    @property
    def labelled(self) -> bool:
        """It needs no references."""
        return False

    @property
    def promises(self) -> tuple[Promise, ...]:
        """The risk and the budget, those that are there."""
        budget = super().promises
        if self.risk is None and budget:
            return budget
        return (Promise("differs_from_last", self.risk or RISK), *budget)

    @property
    def aim(self) -> Promise | None:
        """As few differences as can be, or the least cost where these are promised."""
        promises_risk = self.risk is not None or self.budget is None
        return None if promises_risk else Promise("differs_from_last", 1.0)

    def replay(self, table: CascadeTable) -> tuple[Replay, Floats]:
        """Return the rows, with agreement in place of quality."""
        _demand_rows(self.name, len(table.rows), "rows")
        replay = Replay.of(table, self.of, self.by, skips=self.skip)
        return replay, replay.alike


def _demand_rows(part: str, rows: int, what: str) -> None:
    if rows < 2:  # noqa: PLR2004 - one to search, one to test
        raise PartError("E509", f"`{part}` has too few {what}: {rows}", "give more rows")


def _demand_costs(part: str, table: CascadeTable, replay: Replay) -> None:
    unknown = (np.isnan(replay.cost) & replay.answered).sum(0).tolist()
    names = [name for name, rows in zip(table.names, unknown, strict=True) if rows]
    if names:
        text = f"`{part}` promises a budget, and the cost of `{names[0]}` is unknown on some rows"
        raise PartError("E511", text, "give the model a `price`, or rows with recorded costs")
