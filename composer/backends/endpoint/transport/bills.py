"""What a request can cost at most, and what a reply says that it took."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from composer.values.bounds import OVERHEAD, part_tokens
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
    prompts = _prompts(body)
    read = sum(map(_longest, prompts))
    draws = max(_whole(body.get("n", 1)), _whole(body.get("best_of", 1)), 1)
    limit = _whole(body.get("max_completion_tokens", body.get("max_tokens", UNSENT)))
    written = 0 if "input" in body else limit * draws * len(prompts)
    return Usage(calls=1, cost=Usage.at(price, 1, read, written).cost)


def reported(reply: Mapping[str, JSON], price: Price) -> Usage | None:
    """Return what a reply says that it took, None if it does not say it."""
    usage = reply.get("usage")
    if not isinstance(usage, dict) or not isinstance(usage.get("prompt_tokens"), int):
        return None
    read, written = _whole(usage["prompt_tokens"]), _whole(usage.get("completion_tokens", 0))
    return Usage.at(price, 1, read, written)


def _prompts(body: Mapping[str, JSON]) -> list[list[JSON]]:
    """Return all that is read, prompt by prompt."""
    given = body.get("prompt", body.get("input"))
    several = isinstance(given, list) and given and not isinstance(given[0], int)
    prompts = given if several and isinstance(given, list) else [given]
    messages = body.get("messages")
    contents: list[JSON] = []
    for message in messages if isinstance(messages, list) else ():
        content = message.get("content") if isinstance(message, dict) else message
        contents += content if isinstance(content, list) else [content]
    rest = [body[name] for name in ("suffix", "response_format", "tools") if name in body]
    shared = [*contents, *map(json.dumps, rest)]
    return [[prompt, *shared] for prompt in prompts]


def _longest(values: list[JSON]) -> int:
    """Return how many tokens a prompt can have: a text, token ids, parts of a message.

    To token ids nothing is added; a template may write more around texts.
    """
    ids = isinstance(values[0], list)
    return sum(map(_tokens, values)) + OVERHEAD * (not ids)


def _tokens(value: JSON) -> int:
    match value:
        case None:
            return 0
        case str(text) | {"type": "text", "text": str(text)}:
            return len(text.encode(errors="replace"))
        case list() if all(isinstance(each, int) for each in value):
            return len(value)
        case {"type": _}:
            return part_tokens(value)
        case _:
            return len(json.dumps(value).encode())


def _whole(value: JSON) -> int:
    return value if isinstance(value, int) else 0
