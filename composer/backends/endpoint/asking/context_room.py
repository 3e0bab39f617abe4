"""How many tokens a context has room for, in the words with which a server refuses too many."""

from __future__ import annotations

import re

__all__ = ["room_in"]

CONTEXT = re.compile(
    r"(?:context (?:length|window|size)|max_model_len|n_ctx)\D{0,24}?(\d+)", re.IGNORECASE
)
PROMPT = (
    re.compile(r"prompt contains (?:at least )?(\d+)", re.IGNORECASE),
    re.compile(r"(\d+) (?:tokens )?(?:in|from) the (?:messages|prompt|input)", re.IGNORECASE),
    re.compile(r"(\d+) (?:input|prompt) tokens", re.IGNORECASE),
)


def room_in(words: str) -> int | None:
    """Return how many tokens may be written behind a prompt; None where the words do not tell it.

    It is 0 or less for a prompt that is too long by itself.
    """
    context = CONTEXT.search(words)
    prompt = next((match for each in PROMPT if (match := each.search(words))), None)
    return None if context is None or prompt is None else int(context[1]) - int(prompt[1])
