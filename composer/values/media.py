"""Content parts of messages that are no text: images, sounds, files.

A message is a text everywhere. Where a part stood, the text has a mark with the part's type and a
digest of its content; the query holds the parts by their marks. So a part is known by content
wherever the text goes: in keys of kept answers, in traces, and in prompts that a template makes
with `{{ query }}`. A client that sends parts puts them back.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING

from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from composer.values.flow import JSON, Message

__all__ = [
    "SIGN",
    "chat_content",
    "mark_of",
    "parts_in",
    "refuse_media",
    "shown_messages",
    "shown_text",
]

SIGN = "\ufffc"
"""Where a mark begins and ends."""

_MARK = re.compile("\ufffc(\\w+:[0-9a-f]{16})\ufffc", re.IGNORECASE)
_SHOWN = 200
"""Characters of an address that a trace shows."""


def mark_of(part: Mapping[str, JSON]) -> str:
    """Return what stands in a text for a part: its type, and a digest of all that it holds."""
    content = json.dumps(part, sort_keys=True).encode()
    kind = re.sub(r"\W", "_", str(part.get("type"))).lower()
    return f"\ufffc{kind}:{hashlib.sha256(content).hexdigest()[:16]}\ufffc"


def parts_in(text: str, media: Mapping[str, JSON]) -> Iterator[JSON]:
    """Yield the parts whose marks a text has, in order."""
    if media:
        marks = (match[0].lower() for match in _MARK.finditer(text))
        yield from (media[mark] for mark in marks if mark in media)


def chat_content(text: str, media: Mapping[str, JSON]) -> str | list[JSON]:
    """Return the content of a message for a chat: a text, or parts as they were written.

    Raises ModelError (E708) where a template has left only a piece of a mark.
    """
    if not media:
        return text
    content: list[JSON] = []
    end = 0
    for match in _MARK.finditer(text):
        part = media.get(match[0].lower())
        if part is not None:
            content += [*_text_part(text[end : match.start()], media), part]
            end = match.end()
    if not end:
        _require_whole(text, media)
        return text
    return [*content, *_text_part(text[end:], media)]


def shown_messages(messages: Iterable[Message], media: Mapping[str, JSON]) -> list[Message]:
    """Return messages as a person reads them; see `shown_text`."""
    return [(role, shown_text(text, media)) for role, text in messages]


def shown_text(text: str, media: Mapping[str, JSON]) -> str:
    """Return a text as a person reads it: parts by their address, or by size and digest."""

    def shown(match: re.Match[str]) -> str:
        part = media.get(match[0].lower())
        return match[0] if part is None else f"[{_described(part, match[1])}]"

    return _MARK.sub(shown, text) if media else text


def refuse_media(name: str, row: str, text: str, media: Mapping[str, JSON]) -> None:
    """Raise ModelError (E722) where a text of a row has parts, and the model reads only text."""
    part = next(parts_in(text, media), None)
    if part is not None:
        kind = part.get("type") if isinstance(part, dict) else None
        raise ModelError(
            "E722",
            f"the row `{row}` has a part of type `{kind}`, and `{name}` reads only text",
            "ask a model behind a chat API, or leave the question out of the prompt of this model",
        )


def _text_part(text: str, media: Mapping[str, JSON]) -> Iterator[JSON]:
    """Yield the text between two parts; the line breaks beside their marks are none of it."""
    text = text.removeprefix("\n").removesuffix("\n")
    _require_whole(text, media)
    if text:
        yield {"type": "text", "text": text}


def _require_whole(text: str, media: Mapping[str, JSON]) -> None:
    lowered = text.lower()
    if any(mark.partition(":")[0] in lowered for mark in media):
        raise ModelError(
            "E708",
            "a template has cut a content part of the question in two",
            "use `{{ query }}` whole, without filters such as `truncate`",
        )


def _described(part: JSON, mark: str) -> str:
    """Say what a part is: its type, and its address or its size and digest."""
    kind, _, digest = mark.partition(":")
    held = part.get(kind) if isinstance(part, dict) else None
    address = held.get("url") if isinstance(held, dict) else held
    if isinstance(address, str) and len(address) <= _SHOWN and not address.startswith("data:"):
        return f"{kind} {address}"
    return f"{kind} of {len(json.dumps(part)):,} bytes, sha256 {digest}"
