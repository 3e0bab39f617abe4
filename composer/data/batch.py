"""Batch files as OpenAI's service takes and gives them: a request a line, an answer a line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from composer.data.row import BadRow

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CUSTOM", "is_request", "request_of"]

CUSTOM = "custom_id"
ASKED = ("messages", "prompt", "input", "instructions")
"""The fields of a request's body that hold the conversation."""

PATHS = ("/chat/completions", "/completions", "/responses")
REQUEST = '{"custom_id": "1", "body": {"messages": [{"role": "user", "content": "..."}]}}'


def is_request(row: Mapping[str, object]) -> bool:
    """Say whether a row is a request of a batch file."""
    return CUSTOM in row or isinstance(row.get("body"), dict)


def request_of(row: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return a request as a row, and the names of the settings that are not the recipe's own."""
    name, body = row.get(CUSTOM), row.get("body")
    if not isinstance(name, str) or not name:
        raise BadRow("this request has no `custom_id`, or it is not a text", f"write {REQUEST}")
    if not isinstance(body, dict):
        raise BadRow("this request has no `body`", f"write {REQUEST}")
    url = row.get("url")
    if url is not None and not (isinstance(url, str) and url.endswith(PATHS)):
        message = f"this request is for {url!r}, and a recipe cannot answer that"
        raise BadRow(message, "use requests for /v1/chat/completions")
    content = next((body[key] for key in ASKED[:-1] if body.get(key) is not None), None)
    question = {"query": content} if isinstance(content, str) else {"messages": content}
    system = body.get("instructions")
    ours = {"system": system} if system is not None else {}
    left = tuple(f"`{key}`" for key in body if key not in ASKED)
    return {"id": name, CUSTOM: name, **question, **ours}, left
