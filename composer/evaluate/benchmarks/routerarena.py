"""RouterArena's figures (arXiv:2510.00202): the arena score, optimality and robustness."""

from __future__ import annotations

from dataclasses import dataclass
from math import log2
from typing import TYPE_CHECKING

from composer.data import quality_of
from composer.evaluate.benchmarks.figures import MAIN, Figures, Published, average

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from composer.evaluate.benchmarks.run import BenchmarkRun
    from composer.evaluate.rows import EvaluationRow

__all__ = ["arena_score", "routerarena"]

BETA, DEAREST, CHEAPEST = 0.1, 200.0, 0.0044
"""The weight of cost, and the dollars for 1,000 queries between which costs count."""

SUBMITTED = "the router of the file"
COLUMNS = {
    "arena score": "share",
    "accuracy": "share",
    "cost of 1,000": "dollars",
    "optimal selection": "share",
    "optimal cost": "share",
    "optimal accuracy": "share",
    "robustness": "share",
}


@dataclass(frozen=True)
class Answered:
    """By row: the name of the chosen model, the quality of its answer, and its dollars."""

    names: Mapping[str, str]
    qualities: Mapping[str, float]
    costs: Mapping[str, float | None]
    pool: frozenset[str] | None = None


def arena_score(accuracy: float, cost: float) -> float:
    """Return (1 + b) A C / (b A + C), C = 1 at 0.0044 dollars for 1,000 queries and 0 at 200."""
    dollars = min(max(cost, CHEAPEST), DEAREST)
    c = (log2(DEAREST) - log2(dollars)) / (log2(DEAREST) - log2(CHEAPEST))
    return (1 + BETA) * accuracy * c / (BETA * accuracy + c) if accuracy + c else 0.0


def routerarena(run: BenchmarkRun) -> Published:
    """Give the figures of the recipe, of the router whose file this is, and of each member.

    Optimality looks at the rows that some model of the pool gets right: the share for which the
    cheapest such model was chosen, the mean quality, and the mean of that model's cost over the
    one that was paid, where the answer was right. The pool of a recipe is its members.
    """
    pool = frozenset(name for names in run.names.values() for name in names)
    rows = {
        label: _row(
            run.rows,
            Answered(names, run.qualities(label), run.costs(label), pool),
            _stability(run.routed.choices, run.routed.robustness) if label == run.recipe else None,
        )
        for label, names in run.answers.items()
    }
    submitted = {row.id: row.facts["choice"] for row in run.rows if "choice" in row.facts}
    rows[SUBMITTED] = _row(run.rows, _as_recorded(run.rows, submitted), _file_stability(run.rows))
    notes = [
        "A small pool has a high optimal selection whatever the router does. Do not read it alone."
    ]
    if any("robustness_prompt" in row.facts for row in run.rows) and not run.routed.robustness:
        notes.append("Robustness needs a route that decides by the question alone.")
    if rows[run.recipe][1] is None:
        notes.append("These rows hold no `accuracy`: run RouterArena's llm_evaluation first.")
    return Published("RouterArena", (Figures(MAIN, COLUMNS, rows),), tuple(notes))


def _as_recorded(rows: Iterable[EvaluationRow], names: Mapping[str, str]) -> Answered:
    outcomes = {row.id: row.recorded[names[row.id]] for row in rows if row.id in names}
    qualities = {name: quality_of(outcome) for name, outcome in outcomes.items()}
    known_qualities = {name: each for name, each in qualities.items() if each is not None}
    return Answered(names, known_qualities, {n: one.get("cost") for n, one in outcomes.items()})


def _row(
    rows: Iterable[EvaluationRow], answered: Answered, robustness: float | None
) -> tuple[float | None, ...]:
    accuracy = average(list(answered.qualities.values()))
    paid = [answered.costs.get(row) for row in answered.qualities]
    mean = average([cost for cost in paid if cost is not None])
    cost = 1000 * mean if mean else None
    score = arena_score(accuracy, cost) if accuracy is not None and cost is not None else None
    return (score, accuracy, cost, *_optimality(rows, answered), robustness)


def _optimality(rows: Iterable[EvaluationRow], answered: Answered) -> tuple[float | None, ...]:
    chosen, ratios, qualities = list[float](), list[float](), list[float]()
    for row in rows:
        right = {
            name: float(outcome["cost"])
            for name, outcome in row.recorded.items()
            if (answered.pool is None or name in answered.pool)
            and (quality_of(outcome) or 0) >= 1
            and outcome.get("cost") is not None
        }
        if not right or row.id not in answered.qualities:
            continue
        cheapest, paid = min(right.values()), answered.costs.get(row.id)
        name = answered.names.get(row.id)
        chosen.append(float(name in right and right[name] == cheapest))
        qualities.append(answered.qualities[row.id])
        ratios += [cheapest / paid] if paid and answered.qualities[row.id] >= 1 else []
    return average(chosen), average(ratios), average(qualities)


def _stability(before: Mapping[str, str], after: Mapping[str, str]) -> float | None:
    """Return the share of choices that stay the same for the question in other words."""
    return average([float(before[row] == after[row]) for row in after if row in before])


def _file_stability(rows: Iterable[EvaluationRow]) -> float | None:
    facts = {row.id: row.facts for row in rows if "robustness_choice" in row.facts}
    before = {name: each["choice"] for name, each in facts.items() if "choice" in each}
    return _stability(before, {name: each["robustness_choice"] for name, each in facts.items()})
