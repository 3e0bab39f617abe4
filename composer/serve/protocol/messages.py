"""Messages of a request as a query, and the beginning of the answer that it may hold."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from composer.diagnostics import did_you_mean
from composer.run.queries import as_query
from composer.run.result import Failure
from composer.serve.errors import refusal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from composer.serve.protocol.bodies import ChatBody, TokenizeBody
    from composer.values import Query

    Messages = Sequence[Mapping[str, Any]]

__all__ = ["conversation"]

ROLES = ("system", "developer", "user", "assistant")

OTHER_ROLES = {
    "tool": "no recipe calls tools, so there is nothing that a tool could answer",
    "function": "no recipe calls tools, so there is nothing that a function could answer",
}
"""Roles of the protocol that are not honoured, and why."""

FIELDS = frozenset({"role", "content"})

EMPTY = frozenset(
    {
        "tool_calls",
        "function_call",
        "refusal",
        "audio",
        "annotations",
        "reasoning_content",
        "reasoning",
        "name",
    }
)
"""Fields of messages that are read where they hold nothing, as in messages that clients repeat."""


def conversation(body: ChatBody | TokenizeBody) -> tuple[Query, str]:
    """Return what a conversation asks, and the beginning of the answer if it ends with that.

    Raises ProtocolError.
    """
    messages: Messages = body.messages or []
    for at, message in enumerate(messages):
        _check(at, message)
    goes_on = bool(body.continue_final_message)
    begins = body.add_generation_prompt
    last = messages[-1]["role"]
    if goes_on and begins:
        text = "is true, and so is `add_generation_prompt`: only one of them can be"
        raise refusal("continue_final_message", f"`continue_final_message` {text}")
    if goes_on and last != "assistant":
        text = "goes on from a last message of the assistant, and this one is of another role"
        raise refusal("continue_final_message", f"`continue_final_message` {text}")
    if begins is False and not goes_on:
        text = "`add_generation_prompt` can only be false where `continue_final_message` is true"
        raise refusal("add_generation_prompt", text, code="E807")
    if last == "assistant" and not goes_on:
        text = (
            "the last message is the assistant's: end with a question, or go on from it with "
            "`continue_final_message: true` and `add_generation_prompt: false`"
        )
        raise refusal("messages", text, code="E807")
    prefix = _text(messages[-1]["content"]) if goes_on else ""
    asked = messages[:-1] if goes_on else messages
    if not asked or asked[-1]["role"] == "assistant":
        raise refusal("messages", "before the beginning of an answer there must be a question")
    return _query(asked), prefix


def _query(messages: Messages) -> Query:
    """Return the query of messages; raises ProtocolError where a content cannot be read."""
    turns = [{"role": each["role"], "content": each["content"]} for each in messages]
    try:
        return replace(as_query({"messages": turns}), fields={})
    except Failure as failure:
        raise refusal("messages", f"{failure.message}: {failure.help}") from failure


def _check(at: int, message: Mapping[str, Any]) -> None:
    """Refuse a message that is not one, or that says more than a role and a content."""
    role, place = message.get("role"), f"messages[{at}].role"
    if not isinstance(role, str):
        raise refusal(place, f"`{place}` must be a text: one of {', '.join(ROLES)}")
    if role in OTHER_ROLES:
        text = f"a message of the role `{role}` is not honoured: {OTHER_ROLES[role]}"
        raise refusal(place, text, code="E807")
    if role not in ROLES:
        text = f"`{place}` is no role of the protocol ({did_you_mean(role[:40], ROLES)})"
        raise refusal(place, text)
    for name in message.keys() - FIELDS:
        place = f"messages[{at}].{name}"[:80]
        if name not in EMPTY:
            near = did_you_mean(name[:40], [*FIELDS, *EMPTY])
            raise refusal(place, f"messages have no field `{name[:40]}` ({near})")
        if message[name]:
            text = f"`{name}` of a message is not honoured: no model is told of it"
            raise refusal(place, text, code="E807")
    _check_content(f"messages[{at}].content", message.get("content"))


def _check_content(place: str, content: object) -> None:
    """Refuse a content that is neither a text nor a list of parts."""
    if isinstance(content, str):
        return
    if content is None:
        raise refusal(place, f"`{place}` is missing: write the text, or leave the message out")
    if not isinstance(content, list) or not content:
        raise refusal(place, f"`{place}` must be a text, or a list of parts")
    for at, part in enumerate(content):
        kind = part.get("type") if isinstance(part, dict) else None
        if not isinstance(kind, str):
            raise refusal(f"{place}[{at}].type", f"`{place}[{at}]` must be an object with a `type`")
        if kind.endswith("text") and not isinstance(part.get("text"), str):
            raise refusal(f"{place}[{at}].text", f"`{place}[{at}].text` must be a text")
        if len(part) == 1:
            text = f"`{place}[{at}]` has a `type`, and nothing of that type beside it"
            raise refusal(f"{place}[{at}]", text)


def _text(content: object) -> str:
    """Return the text of the beginning of an answer, which has no other parts."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = [each.get("text") for each in parts if each.get("type") == "text"]
    if len(texts) < len(parts):
        raise refusal("messages", "the beginning of an answer can only be text")
    return "".join(str(each) for each in texts)
