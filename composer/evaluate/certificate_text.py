"""A certificate as a person reads it: the verdict, the members, and the rows to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.text import Text

from composer.diagnostics.amounts import counted, in_dollars
from composer.evaluate.cells import Sheet, percent
from composer.evaluate.certificate import RISK

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import RenderableType

    from composer.evaluate.certificate import Bound, Certificate
    from composer.evaluate.rows import EvaluationRow

__all__ = ["certified", "in_one_sentence", "verdict"]

MOST_SHOWN = 10
"""How many rows that all members get wrong are shown; `--json` has all."""


def certified(several: Sequence[Certificate]) -> Group:
    """Draw certificates: for each its members, its sentences, and the rows to look at."""
    return Group(*(part for one in several for part in _certificate(one)))


def in_one_sentence(one: Certificate) -> str:
    """Say what selecting could gain at most, for a plan."""
    bound = one.valid
    start = f"By {bound.rows:,} graded rows, selecting among the members"
    if not one.selection.selects:
        start = "This recipe does more than select. B" + start[1:]
    return (
        f"{start} gains at most {100 * bound.max_gain:.1f} points over {bound.best} alone "
        f"({100 * bound.gain:.1f} on these rows): see `compose eval --certify`."
    )


def verdict(one: Certificate) -> str:
    """Say in one sentence what the certificate is worth."""
    bound = one.valid
    at_most = f"at most {100 * bound.max_gain:.1f} points over {bound.best} alone"
    if one.worth_it is None:
        return f"Selecting among these members gains {at_most}."
    margin = f"the {100 * (one.margin or 0):g} of `--margin`"
    if one.worth_it:
        return f"It may be worth it: selecting gains {at_most}, more than {margin}."
    return f"Not worth it: selecting gains {at_most}, less than {margin}."


def _certificate(one: Certificate) -> Iterator[RenderableType]:
    yield _members(one)
    sentences = "".join(f"{each}\n" for each in _sentences(one))
    yield Text(f"\n{sentences}")
    if one.failures:
        yield Text(f"rows that all members get wrong, for an audit ({len(one.failures):,})")
        for row in one.failures[:MOST_SHOWN]:
            yield from _failure(row, one)
        hidden = len(one.failures) - MOST_SHOWN
        if hidden > 0:
            yield Text(f"... and {hidden:,} more: `--json` lists all")
        yield Text()


def _members(one: Certificate) -> RenderableType:
    bounds = [bound for bound in (one.graded, one.audited) if bound is not None]
    names = ("graded", "audited")[: len(bounds)]
    rows = Sheet(f"{one.recipe}, {one.graded.rows:,} graded rows", *names)
    for name in one.graded.right:
        best = " (best member)" if name == one.valid.best else ""
        rows.add_row(f"  {name}{best}", *(percent(b.right[name] / b.rows) for b in bounds))
    rows.add_row("  the right member, always", *(percent(b.oracle) for b in bounds), style="dim")
    rows.add_row("  rows that all get wrong", *(f"{b.all_wrong:,} of {b.rows:,}" for b in bounds))
    rows.add_row("  best member, lower limit", *(percent(b.best_low) for b in bounds))
    rows.add_row("  all wrong, lower limit", *(percent(b.all_wrong_low) for b in bounds))
    rows.add_row("  certified gain, at most", *(_points(b.max_gain) for b in bounds), style="bold")
    return rows


def _sentences(one: Certificate) -> Iterator[str]:
    bound = one.valid
    yield verdict(one)
    yield (
        f"This holds with a probability of {1 - RISK:.0%}. On these very rows the perfect choice "
        f"gains {_points(bound.gain)}."
    )
    yield from _outside(one)
    yield from _money(one, bound)
    if one.incomplete:
        yield f"{one.incomplete:,} of the rows lack the grade of some member and are left out."
    yield from _audit(one)


def _outside(one: Certificate) -> Iterator[str]:
    if one.selection.selects:
        return
    reasons = "; ".join(one.selection.exceptions)
    yield (
        f"The bound does not hold for {one.recipe} itself, because it does more than select: "
        f"{reasons}. It holds for every vote, route, cascade or ranking over the same answers."
    )


def _money(one: Certificate, bound: Bound) -> Iterator[str]:
    if not one.costs:
        return
    best, everyone = one.costs[bound.best], sum(one.costs.values())
    times = f", {everyone / best:.1f} times as much" if best else ""
    yield (
        f"A question costs {_dollars(best)} with {bound.best} alone, and {_dollars(everyone)} if "
        f"all members are asked{times}."
    )
    if bound.max_gain > 0:
        price = (everyone - best) / bound.max_gain
        yield f"If all are asked, one more right answer costs {_dollars(price)} or more."


def _audit(one: Certificate) -> Iterator[str]:
    if not one.failures:
        return
    found = one.mistakes + one.confirmed
    if not found:
        yield (
            "Look at the rows below: often the grader or the reference is wrong, not every member. "
            'Mark them with `"audit": "grader"`, `"reference"`, `"ambiguous"` or `"confirmed"`, or '
            "name the mistakes in a file with `--audited`."
        )
        return
    left = len(one.failures) - found
    yield (
        f"Audited: {found:,} of the {counted(len(one.failures), 'row')} that all get wrong "
        f"({one.mistakes:,} with a wrong or unclear grade, {one.confirmed:,} confirmed). "
        f"Still to be looked at: {left:,}."
    )


def _failure(row: EvaluationRow, one: Certificate) -> Iterator[Text]:
    """Show one row: the question, then who answered what, one line for each different answer."""
    audit = f" [{row.audit}]" if row.audit else ""
    yield _line(f"  {row.id}{audit}  {row.query}")
    if row.references:
        yield _line(f"      reference: {' | '.join(row.references)}")
    by_answer: dict[str | None, list[str]] = {}
    for name, text in one.answers[row.id].items():
        by_answer.setdefault(text, []).append(name)
    for text, names in by_answer.items():
        yield _line(f"      {', '.join(names)}: {'(text not recorded)' if text is None else text}")


def _line(text: str) -> Text:
    """One line that is cut at the width of the terminal."""
    indent = text[: len(text) - len(text.lstrip())]
    return Text(indent + " ".join(text.split()), no_wrap=True, overflow="ellipsis")


def _points(share: float) -> str:
    return f"{100 * share:.1f} points"


def _dollars(amount: float) -> str:
    """Write dollars with four digits that count."""
    return in_dollars(float(f"{amount:.4g}"))
