"""How many tokens a text has at most, whatever the tokenizer is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from composer.values.media import parts_in

if TYPE_CHECKING:
    from composer.values.flow import Query

__all__ = ["OVERHEAD", "PART_TOKENS", "most_tokens"]

OVERHEAD = 256
"""Tokens that a chat template may add to the messages."""

PART_TOKENS = 65_536
"""More tokens than a server bills for an image: the dearest known is 48,169."""


def most_tokens(query: Query | None, *texts: str) -> int:
    """Return an upper bound of the tokens of some texts: a token has at least one byte.

    A content part that is no text counts as `PART_TOKENS` and as its bytes, since long sounds and
    files have more.
    """
    messages = "".join(content for _, content in query.messages) if query is not None else ""
    parts = list(parts_in(messages, query.media)) if query is not None else []
    of_parts = sum(PART_TOKENS + len(json.dumps(part)) for part in parts)
    return len((messages + "".join(texts)).encode(errors="replace")) + of_parts + OVERHEAD
