"""Answers in the form of OpenAI's batch files, and read back from it."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from composer.data import CUSTOM

if TYPE_CHECKING:
    from collections.abc import Mapping

    from composer.run.result import Result

__all__ = ["batch_row", "plain_row"]

DONE = 200
_CODE = re.compile(r"\[([EW]\d+)\] ")


def batch_row(result: Result, recipe: str) -> dict[str, object]:
    """Write a result as a line of a batch's output: a response, or an error with its code."""
    row: dict[str, object] = {"id": f"batch_req_{result.id}", CUSTOM: result.id}
    if result.error is not None:
        code = _CODE.match(result.error)
        error = {"code": code[1] if code else "E701", "message": result.error}
        return row | {"response": None, "error": error}
    read = sum(usage.prompt_tokens for usage in result.members.values())
    written = sum(usage.completion_tokens for usage in result.members.values())
    usage = {
        "prompt_tokens": read,
        "completion_tokens": written,
        "total_tokens": read + written,
    }
    message = {"role": "assistant", "content": result.answer}
    body = {
        "id": f"chatcmpl-{result.id}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": recipe,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": usage,
    }
    response = {"status_code": DONE, "request_id": f"req_{result.id}", "body": body}
    return row | {"response": response, "error": None}


def plain_row(row: Mapping[str, object]) -> dict[str, object]:
    """Return a line of an output as a run writes it, whichever of the two forms it has."""
    if CUSTOM not in row or "response" not in row:
        return dict(row)
    extra = {name: row[name] for name in ("recipe", "asked") if name in row}
    return {
        "id": row[CUSTOM],
        "answer": _content(row["response"]),
        "error": row.get("error"),
    } | extra


def _content(response: object) -> object:
    value = response
    for key in ("body", "choices", 0, "message", "content"):
        if isinstance(value, dict):
            value = value.get(key)
        elif isinstance(value, list) and value and isinstance(key, int):
            value = value[key]
        else:
            return None
    return value
