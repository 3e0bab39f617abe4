"""What a request can cost at most, and what a reply says that it took."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from composer.values.bounds import OVERHEAD
from composer.values.results import Usage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from composer.values.card import Price
    from composer.values.flow import JSON

__all__ = ["most", "reported"]

UNSENT = 16
"""Tokens that a completion has where a request does not say how many."""


def most(body: Mapping[str, JSON], price: Price) -> Usage:
    """Return one call at its highest cost: every byte of its texts may be a token.

    The tokens themselves are not counted, since nobody knows them.
    """
    if price is None:
        return Usage(calls=1, unpriced=1)
    texts = [body.get(name) for name in ("prompt", "input", "suffix", "response_format", "tools")]
    messages = body.get("messages")
    listed = messages if isinstance(messages, list) else []
    texts += [each.get("content") if isinstance(each, dict) else each for each in listed]
    prompt = body.get("prompt")
    several = isinstance(prompt, list) and prompt and not isinstance(prompt[0], int)
    prompts = len(prompt) if several and isinstance(prompt, list) else 1
    read = sum(map(_longest, texts)) + OVERHEAD * prompts
    limit = body.get("max_completion_tokens", body.get("max_tokens", UNSENT))
    draws = max(_whole(body.get("n", 1)), _whole(body.get("best_of", 1)), 1)
    written = _whole(limit) * draws * prompts if "input" not in body else 0
    return Usage(calls=1, cost=Usage.at(price, 1, read, written).cost)


def reported(reply: Mapping[str, JSON], price: Price) -> Usage | None:
    """Return what a reply says that it took, None if it does not say it."""
    usage = reply.get("usage")
    if not isinstance(usage, dict) or not isinstance(usage.get("prompt_tokens"), int):
        return None
    read, written = _whole(usage["prompt_tokens"]), _whole(usage.get("completion_tokens", 0))
    return Usage.at(price, 1, read, written)


def _longest(value: JSON) -> int:
    """Return how many tokens a text, a list of texts or token ids, or another value can have."""
    match value:
        case None:
            return 0
        case str():
            return len(value.encode(errors="replace"))
        case list():
            return sum(1 if isinstance(item, int) else _longest(item) for item in value)
        case _:
            return len(json.dumps(value).encode())


def _whole(value: JSON) -> int:
    return value if isinstance(value, int) else 0
