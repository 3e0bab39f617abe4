"""What a completion tells of a span at its beginning, and what it goes on with."""

from __future__ import annotations

from dataclasses import replace
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from composer.values.results import Completion

__all__ = ["beginning", "logprobs_of", "rest_of", "whole_tokens"]


def whole_tokens(completion: Completion, text: str) -> int | None:
    """Return how many tokens a text at the beginning of a completion has.

    None where the text ends inside a token, has none, or where the tokens are not known.
    """
    if not text or "".join(completion.tokens) != completion.text:
        return None
    ends = accumulate(map(len, completion.tokens))
    return next((n for n, end in enumerate(ends, 1) if end == len(text)), None)


def logprobs_of(completion: Completion, count: int) -> tuple[float, ...] | None:
    """Return the log-probabilities of the first tokens; None where they were not told."""
    known = len(completion.logprobs) == len(completion.tokens)
    return completion.logprobs[:count] if known else None


def rest_of(completion: Completion, count: int) -> Completion:
    """Return what a completion has behind its first tokens."""
    return replace(
        completion,
        text="".join(completion.tokens[count:]),
        tokens=completion.tokens[count:],
        logprobs=completion.logprobs[count:],
        choices=completion.choices[count:],
    )


def beginning(completion: Completion, count: int) -> Completion:
    """Return at most so many tokens of a completion, as if no more had been asked for."""
    if len(completion.tokens) <= count:
        return completion
    return replace(
        completion,
        text="".join(completion.tokens[:count]),
        tokens=completion.tokens[:count],
        logprobs=completion.logprobs[:count],
        choices=completion.choices[:count],
        finish="length",
    )
