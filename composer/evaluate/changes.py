"""The rows that changed sides between two recipes: right with one and wrong with the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from composer.evaluate.report import Report
    from composer.values import JSON

__all__ = ["ChangedRow", "Changes", "changes_of", "drawn_changes"]

SHOWN = 5
"""How many rows of each kind are shown; `--json` has all."""


@dataclass(frozen=True, slots=True)
class ChangedRow:
    """A row whose score is another one: its question, and both answers with their scores."""

    id: str
    query: str
    before: str
    after: str
    scores: tuple[float, float]

    def as_dict(self) -> dict[str, JSON]:
        """Give the plain values that `--json` prints."""
        return {
            "id": self.id,
            "query": self.query,
            "answers": [self.before, self.after],
            "scores": list(self.scores),
        }


@dataclass(frozen=True)
class Changes:
    """The rows that a recipe has better (`gained`) and worse (`lost`) than the first recipe.

    `p` is that of the exact McNemar test, for scores of the sign test: how likely so unequal counts
    are if both recipes are equally good.
    """

    recipe: str
    than: str
    rows: int
    gained: tuple[ChangedRow, ...]
    lost: tuple[ChangedRow, ...]
    graded: bool

    @property
    def p(self) -> float:
        """The two-sided p-value of the exact test."""
        from scipy.stats import binomtest

        count = len(self.gained) + len(self.lost)
        return float(binomtest(len(self.gained), count).pvalue) if count else 1.0

    def as_dict(self) -> dict[str, JSON]:
        """Give the plain values that `--json` prints."""
        return {
            "recipe": self.recipe,
            "than": self.than,
            "rows": self.rows,
            "gained": [row.as_dict() for row in self.gained],
            "lost": [row.as_dict() for row in self.lost],
            "p": self.p,
        }


def changes_of(report: Report, than: Report) -> Changes:
    """Compare two reports row by row, over the rows graded for both."""
    shared = [name for name in than.qualities if name in report.qualities]
    changed = [
        ChangedRow(
            name,
            than.answers[name][0],
            than.answers[name][1],
            report.answers[name][1],
            (than.qualities[name], report.qualities[name]),
        )
        for name in shared
        if than.qualities[name] != report.qualities[name]
    ]
    return Changes(
        report.recipe,
        than.recipe,
        len(shared),
        tuple(row for row in changed if row.scores[1] > row.scores[0]),
        tuple(row for row in changed if row.scores[1] < row.scores[0]),
        report.graded or than.graded,
    )


def drawn_changes(one: Changes) -> Iterator[Text]:
    """Draw how many rows changed, and the first of each kind, cut at the width of the terminal."""
    count = len(one.gained) + len(one.lost)
    if not count:
        yield Text(f"\nno row of {one.rows:,} changed from {one.than} to {one.recipe}")
        return
    test = "sign test" if one.graded else "exact McNemar test"
    yield Text(
        f"\n{count:,} of {one.rows:,} rows changed from {one.than} to {one.recipe}: "
        f"{len(one.gained):,} better, {len(one.lost):,} worse ({test}: p = {one.p:.2g})"
    )
    better, worse = ("a higher", "a lower") if one.graded else ("right", "wrong")
    score = " score" if one.graded else ""
    for word, rows in ((better, one.gained), (worse, one.lost)):
        yield from _rows(f"{word}{score} with {one.recipe}", rows, one)


def _rows(title: str, rows: Sequence[ChangedRow], one: Changes) -> Iterator[Text]:
    if not rows:
        return
    yield Text(f"\n{title} ({len(rows):,})")
    for row in rows[:SHOWN]:
        yield _line(f"  {row.id}  {row.query}")
        for recipe, answer, score in (
            (one.than, row.before, row.scores[0]),
            (one.recipe, row.after, row.scores[1]),
        ):
            shown = f" ({score:.2f})" if one.graded else ""
            yield _line(f"      {recipe}{shown}: {answer}")
    if len(rows) > SHOWN:
        yield _line(f"  and {len(rows) - SHOWN:,} more: {', '.join(r.id for r in rows[SHOWN:])}")


def _line(text: str) -> Text:
    """One line that is cut at the width of the terminal."""
    indent = text[: len(text) - len(text.lstrip())]
    return Text(indent + " ".join(text.split()), no_wrap=True, overflow="ellipsis")
