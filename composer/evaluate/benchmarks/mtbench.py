"""MT-Bench's figures (arXiv:2306.05685): mean ratings of the turns, and by category."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.evaluate.benchmarks.figures import MAIN, Figures, Published, average

if TYPE_CHECKING:
    from composer.evaluate.benchmarks.run import BenchmarkRun

__all__ = ["mtbench"]

NO_RATINGS = (
    "No rating of these answers was recorded. Give the folder with "
    "model_judgment/gpt-4_single.jsonl, and the models that it rates."
)
FIRST_TURN = (
    "A recipe is asked the first turn. The ratings of both turns are those of the recorded answer "
    "that it gives."
)

Ratings = list[tuple[str, float, float]]
"""The category, the turn and the rating of each rated turn."""


def mtbench(run: BenchmarkRun) -> Published:
    """Average the ratings of all rated turns, 1 to 10; a turn without a rating is left out."""
    ratings = {label: _ratings(run, label) for label in run.answers}
    if not any(ratings.values()):
        return Published("MT-Bench", (), (NO_RATINGS,))
    categories = list(dict.fromkeys(tag for row in run.rows for tag in row.tags[:1]))
    turns = {label: tuple(_of_turns(each)) for label, each in ratings.items()}
    by_category = {
        label: tuple(average([x for tag, _, x in each if tag == name]) for name in categories)
        for label, each in ratings.items()
    }
    tables = [Figures(MAIN, dict.fromkeys(("turn 1", "turn 2", "mean"), "rating"), turns)]
    if categories:
        kinds = dict.fromkeys(categories, "rating")
        tables.append(Figures("by category", kinds, by_category))
    return Published("MT-Bench", tuple(tables), (FIRST_TURN,))


def _ratings(run: BenchmarkRun, label: str) -> Ratings:
    tags = {row.id: row.tags[0] if row.tags else "" for row in run.rows}
    rated = run.facts(label, "ratings")
    return [(tags[row], turn, rating) for row, each in rated.items() for turn, rating in each]


def _of_turns(ratings: Ratings) -> list[float | None]:
    turns = [average([rating for _, turn, rating in ratings if turn == each]) for each in (1, 2)]
    return [*turns, average([rating for _, _, rating in ratings])]
