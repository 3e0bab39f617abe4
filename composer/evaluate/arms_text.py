"""The arms of a synthesis as a person reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.text import Text

from composer.diagnostics.amounts import counted
from composer.evaluate.arms import ALONE, AS_IS, PLAIN, RANDOM
from composer.evaluate.cells import Sheet, interval_text, percent

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import RenderableType

    from composer.evaluate.arms import Arms

__all__ = ["drawn_arms"]

MEANS = {
    "KEEP": "the panel is not worse than the writer alone, and what is made of it helps",
    "KILL_ADDON": "leave the scores and the analysis out: without them, or with scores dealt at "
    "random, the answers are better",
    "KILL_FUSION": "ask the writer alone: it is better without the panel",
    "INCONCLUSIVE": "these rows do not settle it",
}


def drawn_arms(several: Sequence[Arms]) -> Group:
    """Draw the arms of each recipe, their differences, and the verdict."""
    return Group(*(part for one in several for part in _drawn(one)))


def _drawn(one: Arms) -> Iterator[RenderableType]:
    arms = Sheet(f"{one.recipe}, {counted(one.rows, 'row')}", "accuracy", "95%", "calls", "failed")
    for letter, name in zip("ABCD", (ALONE, PLAIN, AS_IS, RANDOM), strict=True):
        if name in one.arms:
            arm = one.arms[name]
            figures = percent(arm.accuracy.mean), interval_text(arm.accuracy), f"{arm.calls:.2f}"
            arms.add_row(f"  {letter} {name}", *figures, str(arm.failed))
    yield arms
    yield Text()
    pairs = Sheet("difference, paired", "points", "95%")
    for (left, right), gap in one.differences.items():
        pairs.add_row(f"  {left} over {right}", f"{100 * gap.mean:+.1f}", interval_text(gap))
    yield pairs
    sentences = [f"Verdict: {one.verdict}: {MEANS[one.verdict]}.", *_missing(one)]
    yield Text("\n" + "".join(f"{each}\n" for each in sentences))


def _missing(one: Arms) -> Iterator[str]:
    if AS_IS not in one.arms:
        yield "The recipe has no scores and no analysis, so only the panel itself is judged."
    elif RANDOM not in one.arms:
        yield (
            "The recipe has no scores, so there is no arm with random ones: a gain by the analysis "
            "is not held against a placebo."
        )
    if one.not_asked:
        yield f"{counted(one.not_asked, 'row')} were not asked, since the budget was spent."
    if one.ungraded:
        yield f"{counted(one.ungraded, 'row')} could not be graded and are left out."
