"""The lexemes around a cursor: its statement, and the brackets that are open there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from composer.syntax.lexemes import CLOSES, CONTINUES, GOES_ON, OPENS, STATEMENTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.syntax.lexemes import Lexeme


@dataclass(slots=True)
class Opened:
    """A bracket around the cursor.

    `function` is the name before a call's bracket. `key` is the option whose value the cursor is
    in, `index` the number of unnamed arguments before, `given` the options named elsewhere.
    """

    function: Lexeme | None
    bank: bool
    key: str = ""
    index: int = 0
    given: set[str] = field(default_factory=set)


def statement_before(before: Sequence[Lexeme]) -> tuple[Lexeme, ...]:
    """Take what belongs to the cursor's statement out of what stands before it."""
    start, depth, fresh = 0, 0, True
    last: Lexeme | None = None
    for at, each in enumerate(before):
        if each.type == "NEWLINE":
            fresh = True
            continue
        heads = fresh and each.type in STATEMENTS
        if heads or (fresh and not depth and _begins(last, each)):
            start, depth = at, 0
        depth = max(depth + (each.type in OPENS) - (each.type in CLOSES), 0)
        fresh, last = False, each
    lexemes = tuple(each for each in before[start:] if each.type != "NEWLINE")
    ended = fresh and not depth and bool(lexemes) and _complete(lexemes[-1])
    return () if ended else lexemes


def _begins(last: Lexeme | None, lexeme: Lexeme) -> bool:
    return lexeme.type not in GOES_ON and (last is None or _complete(last))


def _complete(last: Lexeme) -> bool:
    return last.type not in CONTINUES


def statement_after(after: Sequence[Lexeme]) -> int:
    """Return how much of what follows belongs to the cursor's statement, about."""
    fresh = False
    for at, each in enumerate(after):
        if fresh and each.type in STATEMENTS:
            return at
        fresh = each.type == "NEWLINE"
    return len(after)


def opened(before: Sequence[Lexeme], after: Sequence[Lexeme], word: Lexeme | None) -> list[Opened]:
    """Walk through a statement and keep the brackets that are still open at its end."""
    stack: list[Opened] = []
    for at, each in enumerate(before):
        if each.type in OPENS:
            called = each.type == "LPAR" and at > 0 and before[at - 1].type == "NAME"
            stack.append(Opened(before[at - 1] if called else None, each.type == "LSQB"))
        elif each.type in CLOSES and stack:
            stack.pop()
        elif stack and each.type == "COMMA":
            _next_argument(stack[-1])
        elif stack and each.type == "EQUAL" and before[at - 1].type == "NAME":
            stack[-1].key = before[at - 1].text
    if stack:
        stack[-1].given |= _named_later(after, own=word)
    return stack


def _next_argument(call: Opened) -> None:
    if call.key:
        call.given.add(call.key)
    else:
        call.index += 1
    call.key = ""


def _named_later(after: Sequence[Lexeme], own: Lexeme | None) -> set[str]:
    """Collect the options of the innermost call that are named behind the cursor."""
    depth, options = 0, set()
    for at, each in enumerate(after):
        depth += (each.type in OPENS) - (each.type in CLOSES)
        if depth < 0:
            break
        named = each.type == "NAME" and at + 1 < len(after) and after[at + 1].type == "EQUAL"
        if named and not depth and each is not own:
            options.add(each.text)
    return options


def parameters(statement: Sequence[Lexeme]) -> list[Lexeme]:
    """Take the parameters out of `def name(a, b = 1) = ...`, whether it is whole or not."""
    words, depth = [], 0
    for at, each in enumerate(statement[2:], 2):
        depth += (each.type in OPENS) - (each.type in CLOSES)
        if not depth:
            break
        if each.type == "NAME" and depth == 1 and statement[at - 1].type in ("LPAR", "COMMA"):
            words.append(each)
    return words
