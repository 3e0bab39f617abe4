"""MixInstruct's figures (LLM-Blender, arXiv:2306.02561): scores of answers, and their ranks."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from composer.evaluate.benchmarks.figures import MAIN, Figures, Published, average

if TYPE_CHECKING:
    from collections.abc import Mapping

    from composer.evaluate.benchmarks.run import BenchmarkRun
    from composer.evaluate.rows import EvaluationRow

__all__ = ["mixinstruct", "ranks"]

SCORES = {"BARTScore": "bartscore", "BERTScore": "bertscore", "BLEURT": "bleurt"}
TOP = (1, 2, 3)
COLUMNS = {
    **dict.fromkeys(SCORES, "number"),
    "GPT-Rank": "rating",
    **{f"top {each}": "share" for each in TOP},
}
FIRST, SECOND = "A is better", "B is better"


def mixinstruct(run: BenchmarkRun) -> Published:
    """Average the published scores of the answers that were chosen, and their ranks.

    The rank of a candidate is 1 plus how many have more wins minus losses in the row's comparisons;
    "Same good" and "Same bad" count for neither, as in LLM-Blender's code.
    """
    ranked = {row.id: ranks(row) for row in run.rows if row.facts.get("pairs")}
    rows = {label: _row(run, label, ranked) for label in run.answers}
    notes = []
    if run.missing_picks:
        notes.append(
            f"{run.missing_picks:,} answers of {run.recipe} are none of the candidates, so their "
            "scores and ranks are not known."
        )
    if not ranked:
        notes.append("These rows hold no comparisons (`cmp_results`), so there are no ranks.")
    return Published("MixInstruct", (Figures(MAIN, COLUMNS, rows),), tuple(notes))


def ranks(row: EvaluationRow) -> dict[str, int]:
    """Rank the candidates of a row by its comparisons; equals share the better rank."""
    points: Counter[str] = Counter(dict.fromkeys(row.recorded, 0))
    for pair, verdict in row.facts["pairs"].items():
        first, _, second = pair.partition(",")
        if verdict in (FIRST, SECOND):
            winner, loser = (first, second) if verdict == FIRST else (second, first)
            points[winner] += 1
            points[loser] -= 1
    return {name: 1 + sum(other > own for other in points.values()) for name, own in points.items()}


def _row(
    run: BenchmarkRun, label: str, ranked: Mapping[str, Mapping[str, int]]
) -> tuple[float | None, ...]:
    scores = run.facts(label, "scores").values()
    means = [average([each[key] for each in scores if key in each]) for key in SCORES.values()]
    names = run.answers[label]
    own = [ranked[row][name] for row, name in names.items() if row in ranked]
    return (*means, average(list(map(float, own))), *(_share(own, each) for each in TOP))


def _share(own: list[int], most: int) -> float | None:
    return average([float(rank <= most) for rank in own])
