"""What a completion tells of a span at its beginning, and what it goes on with."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.values.results import Completion

__all__ = ["beginning", "logprobs_of", "pieces_of", "rest_of", "tokens_of", "whole_tokens"]


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


def pieces_of(completion: Completion) -> Sequence[str]:
    """Return the tokens of a completion; where they are not known, its text as one piece."""
    known = "".join(completion.tokens) == completion.text
    return [token for token in completion.tokens if token] if known else [completion.text]


def tokens_of(completion: Completion, first: str, text: str) -> tuple[str, ...]:
    """Return the tokens of the beginning `text` of a completion that `first` stands before.

    Where only the number of its tokens is known, the share of the text. They count for
    `max_tokens`.
    """
    begun, text = ((first,) if first else ()), text[len(first) :]
    if "".join(completion.tokens) == completion.text:
        starts = accumulate(map(len, completion.tokens), initial=0)
        pairs = zip(completion.tokens, starts, strict=False)
        return *begun, *(token[: len(text) - at] for token, at in pairs if at < len(text))
    written = sum(usage.completion_tokens for usage in completion.usage.values())
    count = max(1, math.ceil(written * len(text) / max(1, len(completion.text))))
    return (*begun, *(("",) * (count - 1)), *((text,) if text else ())) if text else begun
