"""How many tokens a text has at most, whatever the tokenizer is."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from composer.values.flow import Query

__all__ = ["OVERHEAD", "most_tokens"]

OVERHEAD = 256
"""Tokens that a chat template may add to the messages."""


def most_tokens(query: Query | None, *texts: str) -> int:
    """Return an upper bound of the tokens of some texts: a token has at least one byte."""
    messages = "".join(content for _, content in query.messages) if query is not None else ""
    return len((messages + "".join(texts)).encode(errors="replace")) + OVERHEAD
