"""What stands behind an answer: what each member wrote, how it was decided, what it cost."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from composer.diagnostics.amounts import cost_text, counted
from composer.run.trace_text import shown_steps, step_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from composer.run import Result
    from composer.run.trace import TracedCall
    from composer.values import Usage
    from composer.values.details import TokenChoice

__all__ = ["cost_lines", "member_texts", "reasons"]

ASKED = "asked"
"""What a call is named whose answer is a text."""

MOST_PLACES = 8
"""Places of a fused text that are shown where members would have written something else."""


def member_texts(result: Result) -> list[tuple[str, str, str]]:
    """Return for each model that wrote: its name with its step, its text, and what that took.

    Behind them stand the members of a fuse that wrote the answer, each with the tokens that it
    would have written.
    """
    return [*_written(result), *_member_tokens(result)]


def _written(result: Result) -> list[tuple[str, str, str]]:
    return [
        (f"{call.model} ({event.id})", call.error or call.text.strip(), _speed(call))
        for event in (result.trace.events if result.trace is not None else ())
        for call in event.asked
        if call.what == ASKED
    ]


def _member_tokens(result: Result) -> Iterator[tuple[str, str, str]]:
    choices = _fused_choices(result)
    tokens: dict[str, bytes] = {}
    for member in (member for choice in choices for member in choice.members if member.top):
        tokens[member.name] = tokens.get(member.name, b"") + member.top[0].piece
    won = _won(choices)
    for name, text in tokens.items():
        took = f"its likeliest token at each place; {won[name]} of {len(choices)} won"
        yield name, text.decode(errors="replace").strip(), took


def reasons(result: Result) -> Iterator[str]:
    """Yield how an answer came about: each step that decided, and who wrote something else."""
    if result.trace is None:
        return
    for step in shown_steps(result.trace.as_dict()):
        lines = list(step_lines({**step, "asked": []}))
        if lines:
            yield f"{step['step']} {step['op']}"
            yield from (f"  {'  ' * depth}{line}" for depth, line in lines)
    yield from _fused(result)
    yield from _others(result)


def cost_lines(members: Mapping[str, Usage]) -> Iterator[str]:
    """Yield what each member took, and what that is together."""
    rows = [("member", "calls", "read", "written", "cost")]
    rows += [_row(name, usage) for name, usage in sorted(members.items())]
    if len(members) > 1:
        first, *rest = members.values()
        rows.append(_row("together", sum(rest, first)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for name, *numbers in rows:
        cells = [each.rjust(width) for each, width in zip(numbers, widths[1:], strict=True)]
        yield "  ".join([name.ljust(widths[0]), *cells])


def _row(name: str, usage: Usage) -> tuple[str, str, str, str, str]:
    cost = cost_text(usage.cost)
    if usage.unpriced:
        cost = f"at least {cost}" if usage.cost else "unknown"
    return name, str(usage.calls), str(usage.prompt_tokens), str(usage.completion_tokens), cost


def _speed(call: TracedCall) -> str:
    words = f"{counted(call.tokens, 'token')}, {call.seconds:.2f} s"
    if call.cached:
        return f"{counted(call.tokens, 'token')}, from the cache"
    return f"{words}, {call.tokens / call.seconds:.0f} tokens/s" if call.seconds > 0 else words


def _fused(result: Result) -> Iterator[str]:
    """Yield which member won how many tokens, and where the others would have written another."""
    choices = _fused_choices(result)
    if not choices:
        return
    shares = ", ".join(f"{name} {count}" for name, count in _won(choices).most_common())
    yield f"tokens won: {shares} of {len(choices)}"
    unlike = [line for choice in choices if (line := _unlike(choice))]
    yield from (f"  {line}" for line in unlike[:MOST_PLACES])
    if len(unlike) > MOST_PLACES:
        yield f"  and {len(unlike) - MOST_PLACES} more places"


def _fused_choices(result: Result) -> list[TokenChoice]:
    return [] if result.text is None else [each for each in result.text.choices if each.members]


def _won(choices: Sequence[TokenChoice]) -> Counter[str]:
    return Counter(winner.name for each in choices if (winner := each.winner) is not None)


def _unlike(choice: TokenChoice) -> str:
    """Say which members would have written another token; nothing where there are none."""
    others = [
        f"{member.name} {_text(member.top[0].piece)}"
        for member in choice.members
        if member.top and member.top[0].piece != choice.chosen.piece
    ]
    return f"{_text(choice.chosen.piece)} against {', '.join(others)}" if others else ""


def _text(piece: bytes) -> str:
    return repr(piece.decode(errors="replace")) if piece else "the end"


def _others(result: Result) -> Iterator[str]:
    """Yield who answered something else than what was taken, where whole answers were compared."""
    if result.trace is None or result.text is None or result.text.extracted:
        return
    answer = str(result)
    texts = [(name, text) for name, text, _ in _written(result)]
    others = [name for name, text in texts if text != answer]
    if len(texts) > len(others) > 0:
        yield f"wrote something else: {_named(others)}"


def _named(names: Sequence[str]) -> str:
    return ", ".join(names)
