"""AlpacaEval 2's figures (arXiv:2404.04475): win rates, also with the length held equal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.evaluate.benchmarks.figures import MAIN, Figures, Published, average
from composer.evaluate.benchmarks.lengths import length_controlled
from composer.heavy import np

if TYPE_CHECKING:
    from composer.evaluate.benchmarks.run import BenchmarkRun

__all__ = ["alpacaeval"]

COLUMNS = {
    "win rate": "share",
    "length-controlled": "share",
    "standard error": "share",
    "mean length": "count",
}


NO_PREFERENCES = (
    "No preference for these answers was recorded. Give the folder with annotations.json of the "
    "models."
)
WITHOUT_GAMED = (
    "The length-controlled win rate is a logistic regression on these rows, without the "
    "preferences of AlpacaEval's two gamed baselines, which are no part of the files."
)


def alpacaeval(run: BenchmarkRun) -> Published:
    """Give the weighted win rate over the baseline, and the same at equal lengths of both answers.

    The win rate is the mean preference, from 0 for the baseline to 1.
    """
    rows = {label: _row(run, label) for label in run.answers}
    if all(win_rate is None for win_rate, *_ in rows.values()):
        return Published("AlpacaEval", (), (NO_PREFERENCES,))
    notes = [WITHOUT_GAMED]
    if not any("difficulty" in row.facts for row in run.rows):
        notes.append(
            "The files hold no `instruction_difficulty`, so it is left out of the regression."
        )
    if run.missing_picks:
        notes.append(
            f"{run.missing_picks:,} answers of {run.recipe} are none of the recorded outputs, so "
            "they have no preference."
        )
    return Published("AlpacaEval", (Figures(MAIN, COLUMNS, rows),), tuple(notes))


def _row(run: BenchmarkRun, label: str) -> tuple[float | None, ...]:
    preferences, texts = run.facts(label, "preference"), run.facts(label, "text")
    names = run.answers[label]
    rows = [row for row in run.rows if row.id in preferences and "baseline" in row.facts]
    wins = np.array([preferences[row.id] - 1 for row in rows])
    lengths = average([float(len(text)) for text in texts.values()])
    if not rows:
        return None, None, None, lengths
    error = float(wins.std(ddof=1) / np.sqrt(len(wins))) if len(wins) > 1 else None
    baselines = [row.recorded[row.facts["baseline"]] for row in rows]
    if all(names[row.id] == row.facts["baseline"] for row in rows):
        return float(wins.mean()), 0.5, error, lengths
    pairs = zip(rows, baselines, strict=True)
    longer = np.array([len(str(base["text"])) - len(texts[row.id]) for row, base in pairs], float)
    difficulty = [row.facts.get("difficulty") for row in rows]
    hard = None if None in difficulty else np.array(difficulty, dtype=float)
    return float(wins.mean()), length_controlled(wins, longer, hard), error, lengths
