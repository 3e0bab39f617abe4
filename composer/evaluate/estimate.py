"""What a recipe would take on a data file, estimated before anybody is asked."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from composer.checkpoints.splits import Split
from composer.compiler.plan.placement import ROOM
from composer.diagnostics.amounts import counted
from composer.evaluate.ahead import both_ways
from composer.evaluate.recipes import data_names, declarations, price_of
from composer.evaluate.stages import ahead_of
from composer.evaluate.token_counts import DataTokens
from composer.run.stand_ins import Assumption
from composer.values import Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from composer.backends import Declaration
    from composer.evaluate.ahead import BothWays
    from composer.evaluate.rows import EvaluationRow
    from composer.recipe import Recipe
    from composer.run.stand_ins import Tally
    from composer.values import JSON
    from composer.values.card import Price

__all__ = ["VERSION", "Estimate", "MemberEstimate", "Range", "estimate"]

VERSION = 1


@dataclass(frozen=True)
class Range:
    """The least and the most of something."""

    low: float
    high: float

    @classmethod
    def of(cls, ends: Iterable[Sequence[float]]) -> Range:
        """Sum over rows what is least and most on each, over several assumed ends."""
        pairs = [(min(values), max(values)) for values in zip(*ends, strict=True)]
        return cls(sum(low for low, _ in pairs), sum(high for _, high in pairs))

    def as_list(self) -> list[JSON]:
        """Give the ends as `--json` prints them."""
        return [self.low, self.high]


@dataclass(frozen=True)
class Amounts:
    """What would be asked. `free` answers are recorded, or kept from an earlier run.

    `answers` are new calls and free answers together.
    """

    calls: Range
    free: Range
    answers: Range
    prompt_tokens: Range
    completion_tokens: Range

    @classmethod
    def of(cls, ends: Sequence[Sequence[Tally]], names: Iterable[str]) -> Amounts:
        """Sum what each row takes of some models, over several assumed ends."""
        wanted = list(names)
        usages = [
            [sum((tally.usage.get(name, Usage()) for name in wanted), Usage()) for tally in end]
            for end in ends
        ]
        free = [[sum(tally.free[name] for name in wanted) for tally in end] for end in ends]
        return cls(
            Range.of([each.calls for each in end] for end in usages),
            Range.of(free),
            Range.of(
                [each.calls + more for each, more in zip(end, others, strict=True)]
                for end, others in zip(usages, free, strict=True)
            ),
            Range.of([each.prompt_tokens for each in end] for end in usages),
            Range.of([each.completion_tokens for each in end] for end in usages),
        )

    def as_dict(self) -> dict[str, JSON]:
        """Give the plain values that `--json` prints."""
        return {
            "calls": self.calls.as_list(),
            "free_answers": self.free.as_list(),
            "prompt_tokens": self.prompt_tokens.as_list(),
            "completion_tokens": self.completion_tokens.as_list(),
        }


@dataclass(frozen=True)
class MemberEstimate:
    """What a model would be asked, and what is known of its calls.

    `cost` (dollars) and `seconds`, for its calls one after the other, are None where unknown;
    `cost_from` and `seconds_from` say what they are reckoned from. `answer_tokens` is the mean of
    known answers.
    """

    amounts: Amounts
    answer_tokens: float | None
    cost: Range | None
    cost_from: str
    seconds: Range | None
    approximate: bool

    def as_dict(self) -> dict[str, JSON]:
        """Give the plain values that `--json` prints."""
        return {
            **self.amounts.as_dict(),
            "mean_answer_tokens": self.answer_tokens,
            "cost": None if self.cost is None else self.cost.as_list(),
            "cost_from": self.cost_from,
            "seconds": None if self.seconds is None else self.seconds.as_list(),
            "tokens_approximate": self.approximate,
        }


@dataclass(frozen=True)
class Estimate:
    """What a recipe would take on `rows` rows, by member.

    `cost` sums the members whose cost is known; `unpriced` names those that are asked and have
    none. `free_rows` rows need no new call at all. `memory` is bytes by device. `unsure` says that
    the ends of the ranges depend on answers; `failures` are rows that would fail, with the reason.
    `rows_with_parts` have images or other parts, whose tokens are not counted. `stops_early` says
    that a vote may do that. `ahead` is there for a cascade whose stages begin ahead.
    """

    recipe: str
    rows: int
    free_rows: int
    members: Mapping[str, MemberEstimate]
    total: Amounts
    cost: Range
    memory: Mapping[str, int]
    unsure: bool
    failures: Mapping[str, str]
    rows_with_parts: int = 0
    stops_early: bool = False
    ahead: BothWays | None = None

    @property
    def answers_a_row(self) -> Range:
        """The mean number of answers that a row takes, new ones and free ones."""
        ends = self.total.answers
        return Range(ends.low / self.rows, ends.high / self.rows) if self.rows else ends

    @property
    def asked(self) -> dict[str, MemberEstimate]:
        """The members that would be asked something new."""
        return {name: one for name, one in self.members.items() if one.amounts.calls.high}

    @property
    def unpriced(self) -> tuple[str, ...]:
        """The members that are asked, and whose dollars nobody knows."""
        return tuple(name for name, one in self.asked.items() if one.cost is None)

    @property
    def untimed(self) -> tuple[str, ...]:
        """The members that are asked, and whose seconds nobody knows."""
        return tuple(name for name, one in self.asked.items() if one.seconds is None)

    @property
    def seconds(self) -> Range:
        """The seconds of all members that are known, one call after the other."""
        known = [one.seconds for one in self.members.values() if one.seconds is not None]
        return Range(sum(one.low for one in known), sum(one.high for one in known))

    def as_dict(self) -> dict[str, JSON]:
        """Give the plain values that `--json` prints."""
        return {
            "version": VERSION,
            "rows": self.rows,
            "free_rows": self.free_rows,
            "members": {name: one.as_dict() for name, one in self.members.items()},
            **self.total.as_dict(),
            "cost": self.cost.as_list(),
            "cost_unknown_of": list(self.unpriced),
            "seconds": self.seconds.as_list(),
            "seconds_unknown_of": list(self.untimed),
            "memory_bytes": dict(self.memory),
            "depends_on_answers": self.unsure,
            "failures": dict(self.failures),
            "rows_with_parts": self.rows_with_parts,
            "answers_a_row": self.answers_a_row.as_list(),
            **({} if self.ahead is None else {"ahead": self.ahead.as_dict()}),
        }


def estimate(
    recipe: Recipe,
    rows: Sequence[EvaluationRow],
    *,
    cache: bool = True,
    on_end: Callable[[str], None] = lambda _: None,
) -> Estimate:
    """Estimate what a recipe would take on rows. Nobody is asked, and no weights are loaded.

    With `cache`, answers that earlier runs kept cost nothing. `on_end` is called with what is
    counted, before each pass over the rows.
    """
    tokens = DataTokens(recipe, rows)
    queries = [row.question() for row in rows]
    with recipe.ready(cache=cache, probe=False) as ensemble:
        ends: list[list[Tally]] = []

        def add(assumption: Assumption) -> None:
            word = "most" if assumption.most else "least"
            on_end(f"counting what {counted(len(rows), 'row')} take at {word}")
            ends.append(ensemble.rehearse(queries, assumption, tokens))

        add(Assumption(most=False))
        if any(tally.unsure for tally in ends[0]):
            add(Assumption(most=True))
        branches = max((tally.branches for tallies in ends for tally in tallies), default=0)
        for pick in range(1, branches):
            add(Assumption(most=False, pick=pick))
            add(Assumption(most=True, pick=pick))
    return _summed(recipe, rows, ends, tokens)


def _summed(
    recipe: Recipe, rows: Sequence[EvaluationRow], ends: list[list[Tally]], tokens: DataTokens
) -> Estimate:
    models = declarations(recipe)
    asked = {name for end in ends for tally in end for name in (*tally.usage, *tally.free)}
    members, costs = {}, []
    for name in (*models, *sorted(asked - set(models))):  # a merge is asked, and not declared
        members[name], member_costs = _member(name, models.get(name), rows, ends, tokens)
        costs.append(member_costs)
    totals = [
        [sum(row) for row in zip(*by_row, strict=True)] for by_row in zip(*costs, strict=True)
    ]
    failures, free_rows = {}, 0
    for row, tallies in zip(rows, zip(*ends, strict=True), strict=True):
        if all(tally.error for tally in tallies):
            failures[row.id] = tallies[0].error or ""
        elif not any(tally.usage for tally in tallies):
            free_rows += 1
    return Estimate(
        recipe=recipe.name,
        rows=len(rows),
        free_rows=free_rows,
        members=members,
        total=Amounts.of(ends, members),
        cost=Range.of(totals),
        memory=_memory(recipe),
        unsure=any(tally.unsure for tally in ends[0]),
        failures=failures,
        rows_with_parts=sum(bool(row.question().media) for row in rows),
        stops_early=bool(recipe.plan().turns),
        ahead=_ahead(recipe, rows, ends),
    )


def _ahead(
    recipe: Recipe, rows: Sequence[EvaluationRow], ends: list[list[Tally]]
) -> BothWays | None:
    """Reckon both ways of a cascade whose stages begin ahead; a row that would fail has no part."""
    cascade = ahead_of(recipe)
    asked = [[tally.stages for tally in end if tally.stages] for end in ends]
    if cascade is None or not all(asked):
        return None
    models = declarations(recipe)

    def mean(stage: int, key: str) -> float | None:
        aliases = [data_names(name, models[name]) for name in cascade.writers[stage]]
        means = [_recorded_mean(names, rows, key) for names in aliases]
        known = [each for each in means if each is not None]
        return sum(known) if len(known) == len(means) else None

    stages = range(len(cascade.names))
    cost = [mean(stage, "cost") for stage in stages]
    priced = [choice.dollars for choice in cascade.choices]
    return both_ways(
        asked,
        [mean(stage, "seconds") for stage in stages],
        [
            given if known is None else known
            for known, given in zip(cost, [_finite(each) for each in priced], strict=True)
        ],
        begun=bool(cascade.begun),
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _member(
    name: str,
    declaration: Declaration | None,
    rows: Sequence[EvaluationRow],
    ends: list[list[Tally]],
    tokens: DataTokens,
) -> tuple[MemberEstimate, list[list[float]]]:
    """Estimate one member; also its dollars by end and row, 0 where they are unknown."""
    usages = [[tally.usage.get(name, Usage()) for tally in end] for end in ends]
    price = None if declaration is None else price_of(declaration)
    aliases = (name,) if declaration is None else data_names(name, declaration)
    recorded = {key: _recorded_mean(aliases, rows, key) for key in ("cost", "seconds")}
    dollars, source = _dollars(usages, price, recorded["cost"])
    amounts, seconds = Amounts.of(ends, [name]), recorded["seconds"]
    low, high = amounts.calls.low, amounts.calls.high
    one = MemberEstimate(
        amounts=amounts,
        answer_tokens=tokens.mean_answer(name),
        cost=None if dollars is None else Range.of(dollars),
        cost_from=source,
        seconds=None if seconds is None else Range(low * seconds, high * seconds),
        approximate=name in tokens.approximate,
    )
    nothing = [[0.0] * len(rows) for _ in ends]
    return one, nothing if dollars is None else dollars


def _dollars(
    usages: list[list[Usage]], price: Price, recorded: float | None
) -> tuple[list[list[float]] | None, str]:
    """Reckon dollars by end and row: from the price, else from the recorded mean of a call."""
    if price is not None:
        read, write = (each / 1e6 for each in price)
        return [
            [u.prompt_tokens * read + u.completion_tokens * write for u in end] for end in usages
        ], "price"
    if recorded is not None:
        return [[u.calls * recorded for u in end] for end in usages], "recorded costs"
    if not any(usage.calls for end in usages for usage in end):
        return [[0.0 for _ in end] for end in usages], "no calls"
    return None, "unknown"


def _recorded_mean(names: Sequence[str], rows: Sequence[EvaluationRow], key: str) -> float | None:
    """The mean of what was recorded of a model's answers, None where nothing was."""
    outcomes = (row.recorded[each] for row in rows for each in names if each in row.recorded)
    values = [float(one[key]) for one in outcomes if one.get(key) is not None]
    return fmean(values) if values else None


def _memory(recipe: Recipe) -> dict[str, int]:
    """The bytes that weights and what lies beside them take, by device; equal models count once."""
    sizes = {
        (model.device, model.identity): model.bytes
        for model in recipe.plan().models
        if model.device is not None and model.bytes is not None
    }
    total: Counter[str] = Counter()
    for (place, _), size in sizes.items():
        split = Split.of(place)
        layers = [place] if split is None else split.layers
        for device, count in Counter(layers).items():
            total[device] += round(size * ROOM * count / len(layers))
    return dict(total)
