"""Requests of the Responses API as chats, and replies to chats in its form.

Batch files may hold such requests. A server does not answer them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from composer.serve.errors import refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["chat_body", "response"]

RENAMED = {"max_output_tokens": "max_completion_tokens"}
OWN = frozenset({"input", "instructions", "text", *RENAMED})
"""Fields that a chat has under another name, or in another form."""

OF_CHATS = ("messages", "n", "max_tokens", "max_completion_tokens", "response_format")
"""Fields of chats that this API does not have."""


def chat_body(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body of the chat that a request means; raises ProtocolError."""
    if not isinstance(body.get("input"), str | list):
        raise refusal("input", "`input` must be a text or a list of messages")
    for name in OF_CHATS:
        if body.get(name) is not None:
            raise refusal(name, f"requests for /v1/responses have no field `{name}`")
    rest = {name: value for name, value in body.items() if name not in OWN}
    renamed = {chat: body[own] for own, chat in RENAMED.items() if own in body}
    return {"messages": list(_messages(body)), **_format(body), **renamed, **rest}


def response(completion: Mapping[str, Any]) -> dict[str, object]:
    """Return the reply to a chat in the form of the Responses API."""
    (choice,) = completion["choices"]
    usage, cut = completion["usage"], choice["finish_reason"] == "length"
    part = {"type": "output_text", "text": choice["message"]["content"], "annotations": []}
    status = "incomplete" if cut else "completed"
    message = {
        "type": "message",
        "id": f"msg_{completion['id']}",
        "status": status,
        "role": "assistant",
        "content": [part],
    }
    return {
        "id": f"resp_{completion['id']}",
        "object": "response",
        "created_at": completion["created"],
        "status": status,
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "error": None,
        "model": completion["model"],
        "output": [message],
        "parallel_tool_calls": False,
        "tool_choice": "none",
        "tools": [],
        "usage": {
            "input_tokens": usage["prompt_tokens"],
            "input_tokens_details": {"cache_write_tokens": 0, **usage["prompt_tokens_details"]},
            "output_tokens": usage["completion_tokens"],
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": usage["total_tokens"],
        },
        "ensemble": completion["ensemble"],
    }


def _messages(body: Mapping[str, Any]) -> list[object]:
    """Return the messages of a request, with the instructions as the first."""
    asked = body["input"]
    turns = [{"role": "user", "content": asked}] if isinstance(asked, str) else asked
    system = body.get("instructions")
    first = [] if not system else [{"role": "system", "content": system}]
    return [*first, *map(_plain, turns)]


def _plain(message: object) -> object:
    """Return a message without the name of its kind, which chats do not write."""
    if not isinstance(message, dict) or message.get("type") != "message":
        return message
    return {name: value for name, value in message.items() if name != "type"}


def _format(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the form that an answer must have, as chats write it."""
    text = body.get("text")
    form = text.get("format") if isinstance(text, dict) else None
    if text is not None and not (isinstance(text, dict) and text.keys() <= {"format"}):
        raise refusal("text", '`text` is not honoured, but for `{"format": {...}}`', code="E807")
    if not isinstance(form, dict) or form.get("type") != "json_schema":
        return {} if form is None else {"response_format": form}
    schema = {name: value for name, value in form.items() if name != "type"}
    return {"response_format": {"type": "json_schema", "json_schema": schema}}
