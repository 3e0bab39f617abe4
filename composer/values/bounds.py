"""How many tokens a text has at most, whatever the tokenizer is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from composer.values.media import parts_in

if TYPE_CHECKING:
    from composer.values.flow import JSON, Query

__all__ = ["OVERHEAD", "PART_TOKENS", "most_tokens", "part_tokens"]

OVERHEAD = 256
"""Tokens that a chat template may add to the messages."""

PART_TOKENS = 65_536
"""More tokens than a server bills for an image: the dearest known is 48,169."""


def part_tokens(part: JSON) -> int:
    """Return an upper bound of the tokens of a content part that is no text.

    It is `PART_TOKENS` for an image. Sounds and files may be long, so their bytes are added.
    """
    kind = str(part.get("type")) if isinstance(part, dict) else ""
    return PART_TOKENS + (0 if "image" in kind else len(json.dumps(part)))


def most_tokens(query: Query | None, *texts: str) -> int:
    """Return an upper bound of the tokens of some texts: a token has at least one byte."""
    messages = "".join(content for _, content in query.messages) if query is not None else ""
    parts = parts_in(messages, query.media) if query is not None else ()
    of_parts = sum(map(part_tokens, parts))
    ids = 0 if query is None else len(query.ids)  # some of them may be no text
    return len((messages + "".join(texts)).encode(errors="replace")) + of_parts + ids + OVERHEAD
