"""An estimate as a person reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.text import Text

from composer.diagnostics.amounts import cost_text, counted, size_text
from composer.evaluate.cells import Sheet
from composer.evaluate.token_counts import CHARACTERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import RenderableType

    from composer.evaluate.ahead import BothWays
    from composer.evaluate.estimate import Amounts, Estimate, Range

__all__ = ["estimated"]


def estimated(one: Estimate, *sentences: str) -> Group:
    """Draw an estimate: a line for each member, the sum, and what it rests on."""
    lines = [*_sentences(one), *sentences]
    return Group(_members(one), Text("\n" + "\n".join(lines)))


def _members(one: Estimate) -> RenderableType:
    rows = Sheet(
        f"estimate, {counted(one.rows, 'row')}", "calls", "free", "tokens read", "written", "cost"
    )
    for name, member in one.members.items():
        if not (member.amounts.calls.high or member.amounts.free.high):
            continue  # what a merge is made of is not asked
        cost = "unknown" if member.cost is None else _dollars(member.cost)
        rows.add_row(f"  {name}", *_cells(member.amounts), cost)
    rows.add_row("  all", *_cells(one.total), _cost(one), style="bold")
    return rows


def _cells(one: Amounts) -> Iterator[str]:
    for each in (one.calls, one.free, one.prompt_tokens, one.completion_tokens):
        yield _whole(each)


def _cost(one: Estimate) -> str:
    return _dollars(one.cost) + " and more" * bool(one.unpriced)


def _whole(ends: Range) -> str:
    low, high = round(ends.low), round(ends.high)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _dollars(ends: Range) -> str:
    low, high = (cost_text(end) for end in (ends.low, ends.high))
    return low if low == high else f"{low} to {high}"


def _sentences(one: Estimate) -> Iterator[str]:
    if one.free_rows:
        yield (
            f"{one.free_rows:,} of the {counted(one.rows, 'row')} cost nothing: their answers are "
            "recorded or kept from an earlier run."
        )
    if one.failures:
        name, reason = next(iter(one.failures.items()))
        yield f"{len(one.failures):,} of the rows would fail, first {name}: {reason}"
    if one.stops_early:
        mean = one.answers_a_row
        ends = f"{mean.low:.2f}" + (f" to {mean.high:.2f}" if mean.high > mean.low else "")
        yield f"Votes stop early: a row takes {ends} answers in the mean."
    if one.unsure:
        yield from _ends(one)
    if one.unpriced:
        yield (
            f"The cost of {', '.join(one.unpriced)} is unknown: give the model a `price`, or "
            "record `cost` in the data."
        )
    approximate = [name for name, each in one.asked.items() if each.approximate]
    if approximate:
        yield (
            f"Tokens of {', '.join(approximate)} are estimated at {CHARACTERS} characters each, "
            "because no tokenizer is at hand."
        )
    if one.rows_with_parts:
        yield (
            f"The images and other parts that are no text in {counted(one.rows_with_parts, 'row')} "
            "are not counted."
        )
    if one.ahead is not None:
        yield from _both_ways(one.ahead)
    yield from _time(one)
    for device, size in one.memory.items():
        yield f"Memory on {device}: about {size_text(size)} for weights and what lies beside them."


def _ends(one: Estimate) -> Iterator[str]:
    """Say what the two ends of a range assume."""
    means = [
        f"{name} {each.answer_tokens:,.1f}"
        for name, each in one.asked.items()
        if each.answer_tokens is not None
    ]
    known = f" (mean tokens of recorded answers: {', '.join(means)})" if means else ""
    others = [name for name, each in one.asked.items() if each.answer_tokens is None]
    short = f", or one token where no answer is recorded ({', '.join(others)})" if others else ""
    agree = ", and whoever votes agrees" if one.stops_early else ""
    yield (
        f"At least: answers have their usual length{known}{short}, and every cascade accepts its "
        f"first answer{agree}. At most: answers have `max_tokens` tokens, and every stage is asked."
    )


def _both_ways(ways: BothWays) -> Iterator[str]:
    """Say what a cascade takes whose stages begin ahead, and what it would take in turn."""
    for what, write, ahead, in_turn in (
        ("dollars", cost_text, ways.cost_ahead, ways.cost_in_turn),
        ("seconds", _seconds, ways.seconds_ahead, ways.seconds_in_turn),
    ):
        if ahead is None or in_turn is None:
            yield f"Stages begin ahead; the {what} of some stage are not known."
            continue
        ours, theirs = (_ends_text(each, write) for each in (ahead, in_turn))
        yield (
            f"Stages begin ahead: an answer takes {ours} in the mean, and {theirs} if one stage "
            "followed the other."
        )


def _seconds(value: float) -> str:
    return f"{value:.3f} seconds"


def _ends_text(ends: tuple[float, float], write: Callable[[float], str]) -> str:
    low, high = map(write, ends)
    return low if low == high else f"{low} to {high}"


def _time(one: Estimate) -> Iterator[str]:
    timed = [name for name, each in one.asked.items() if each.seconds]
    if timed:
        low, high = one.seconds.low, one.seconds.high
        ends = f"{low:,.1f}" if low == high else f"{low:,.1f} to {high:,.1f}"
        yield (
            f"Time of {', '.join(timed)}: {ends} seconds if one call follows the other, by the "
            "recorded seconds of a call. Calls run side by side, so it is less."
        )
    if one.untimed:
        yield (
            f"The time of {', '.join(one.untimed)} is unknown: record `seconds` in the data, or "
            "time a few rows with `compose eval --limit 20`."
        )
