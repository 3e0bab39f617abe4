"""Which of the tokens that came with an answer are those of its text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.backends.endpoint.asking.replies import Choice, Position

__all__ = ["tokens_of"]

PART = "\ufffd"
"""What servers write for a token that is no whole character; some write nothing."""


def tokens_of(choice: Choice, text: str, stops: Sequence[str]) -> list[tuple[str, Position]]:
    """Return the tokens of a text, each as it is spelled, and the end token, which is empty.

    The text is the answer's up to a stop string. Tokens of thoughts may come before it, and those
    of a stop string behind it. Nothing is returned where the tokens do not spell the text.
    """
    whole = choice.text or choice.refusal
    positions = choice.positions[_before(choice, whole) :]
    names = [each.token.text for each in positions]
    starts = _starts(names, whole)
    if starts is None:
        return []
    is_cut = len(text) < len(whole)
    tokens = [
        (name, position)
        for name, position, start in zip(names, positions, starts, strict=True)
        if start < len(text) or not (name or is_cut)
    ]
    behind = [each for each, start in zip(positions, starts, strict=True) if start >= len(whole)]
    behind = [each for each in behind if each.token.text]
    if len(behind) == 1 and not is_cut:
        name = behind[0].token.text
        if not any(name in stop or stop in name for stop in stops if stop):
            tokens.append(("", behind[0]))
    return tokens


def _before(choice: Choice, text: str) -> int:
    """Return how many tokens come before the text: those of thoughts."""
    if not choice.thoughts:
        return 0
    left = "".join(each.token.text for each in choice.positions).rfind(text)
    for count, position in enumerate(choice.positions):
        if left <= 0:
            return count
        left -= len(position.token.text)
    return len(choice.positions)


def _starts(names: Sequence[str], text: str) -> list[int] | None:
    """Return where in a text each token begins, its length for those behind it.

    A token that is a part of a character may stand for anything. Some servers leave out a space
    at the beginning. None is returned where the tokens do not spell the text.
    """
    at, is_open, starts = 0, False, []
    for number, token in enumerate(names):
        name = token.removeprefix(" ") if not number and text[:1] != " " else token
        if at == len(text) or not name or PART in name:
            starts.append(at)
            is_open = is_open or at < len(text)
            continue
        start = text.find(name, at) if is_open else at
        if start < 0:  # the end token behind a part of a character
            start = len(text)
        elif not (text.startswith(name, start) or name.startswith(text[start:])):
            return None
        starts.append(start)
        at, is_open = min(start + len(name), len(text)), False
    return starts if at == len(text) or is_open else None
