"""Batch files as OpenAI's service takes and gives them: a request a line, an answer a line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from composer.data.row import BadRow

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CUSTOM", "REQUEST", "is_request", "request_of"]

CUSTOM, REQUEST = "custom_id", "request"
"""The fields of a row that name a request, and hold it: its `url` and its `body`."""

ASKED = ("messages", "prompt", "input", "instructions")
"""The fields of a request's body that hold the conversation."""

PATHS = ("/chat/completions", "/completions", "/responses")
EXAMPLE = '{"custom_id": "1", "body": {"messages": [{"role": "user", "content": "..."}]}}'


def is_request(row: Mapping[str, object]) -> bool:
    """Say whether a row is a request of a batch file."""
    return CUSTOM in row or isinstance(row.get("body"), dict)


def request_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request as a row: its conversation in our names, and the whole of it."""
    name, body = row.get(CUSTOM), row.get("body")
    if not isinstance(name, str) or not name:
        raise BadRow("this request has no `custom_id`, or it is not a text", f"write {EXAMPLE}")
    if not isinstance(body, dict):
        raise BadRow("this request has no `body`", f"write {EXAMPLE}")
    url = row.get("url")
    if url is not None and not (isinstance(url, str) and url.endswith(PATHS)):
        message = f"this request is for {url!r}, and a recipe cannot answer that"
        raise BadRow(message, "use requests for /v1/chat/completions")
    content = next((body[key] for key in ASKED[:-1] if body.get(key) is not None), None)
    question = {"query": content} if isinstance(content, str) else {"messages": content}
    system = body.get("instructions")
    ours = {"system": system} if system is not None else {}
    request = {"url": url, "body": body}
    return {"id": name, CUSTOM: name, REQUEST: request, **question, **ours}
