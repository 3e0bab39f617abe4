"""Who said what in a row: a query in text, or a conversation in the shapes that services take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.data.row import BadRow, pair_of
from composer.diagnostics import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from composer.values.flow import Message

__all__ = ["messages_of", "parts_left_out", "query_of", "whole"]

ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
"""The roles that a message may have, and what each is called here."""

SPOKEN = ("text", "input_text", "output_text")
"""The types of content parts that are text."""

CONVERSATION = 'write `"messages": [{"role": "user", "content": "..."}]`'


def query_of(row: Mapping[str, object]) -> str:
    """Return the question of a row: what the user says last in it."""
    return next(text for role, text in reversed(messages_of(row)) if role == "user")


def messages_of(row: Mapping[str, object]) -> tuple[Message, ...]:
    """Return the conversation of a row: its `messages`, else its question and its `system`.

    Raises BadRow where the row asks nothing in text, or where it says two things at once.
    """
    system = _system(row)
    field, _ = pair_of(row)
    messages = row.get("messages")
    if messages is None:
        return (*system, ("user", _question(row, field)))
    turns = _conversation(messages)
    last = next((text for role, text in reversed(turns) if role == "user"), "")
    if not last.strip():
        raise BadRow(
            "`messages` contains no question: there is no user message with text", CONVERSATION
        )
    if row.get("query") is not None and row["query"] != last:
        raise BadRow("`query` and `messages` ask different things", "leave one of them out")
    if system and any(role == "system" for role, _ in turns) and system[0] not in turns:
        raise BadRow(
            "`system` and `messages` have different system messages", "leave one of them out"
        )
    return turns if not system or system[0] in turns else (*system, *turns)


def parts_left_out(messages: object) -> Iterator[str]:
    """Yield what a conversation holds besides text: kinds of content parts, and calls of tools."""
    for each in messages if isinstance(messages, list) else []:
        if not isinstance(each, dict):
            continue
        content = each.get("content")
        for part in content if isinstance(content, list) else []:
            if isinstance(part, dict) and part.get("type") not in SPOKEN:
                yield f"parts of type `{part.get('type')}`"
        if each.get("tool_calls"):
            yield "`tool_calls`"


def _system(row: Mapping[str, object]) -> tuple[Message, ...]:
    system = row.get("system")
    if system is None or system == "":
        return ()
    text = _text(system)
    if text is None:
        raise BadRow('"system" must be a text')
    return (("system", text),)


def _question(row: Mapping[str, object], field: str) -> str:
    question = _text(row.get(field))
    if field == "instruction" and question is not None:
        more = _text(row.get("input")) or ""
        question = f"{question}\n{more}" if more.strip() else question
    if question is None or not question.strip():
        fields = ", ".join(f"`{name}`" for name in row) or "nothing"
        advice = f"a row needs a `query` or `messages`; this one has {fields}"
        raise BadRow('this row has no "query", or it is not a text', advice)
    return question


def _conversation(messages: object) -> tuple[Message, ...]:
    if not isinstance(messages, list | tuple) or not messages:
        raise BadRow("`messages` must be a list of messages", CONVERSATION)
    return tuple(_message(at, each) for at, each in enumerate(messages, 1))


def _message(at: int, message: object) -> Message:
    if not isinstance(message, dict) or not isinstance(message.get("role"), str):
        raise BadRow(f"message {at} needs a `role` and a `content`", CONVERSATION)
    role = ROLES.get(message["role"])
    if role is None:
        near = did_you_mean(message["role"], ROLES)
        raise BadRow(f"message {at} has the unknown role {message['role']!r}", near)
    text = _text(message.get("content"))
    if text is None:
        raise BadRow(
            f"message {at} has no `content` that is a text",
            "leave the message out, or write its text",
        )
    return role, text


def _text(content: object) -> str | None:
    """Return a text, that of content parts, or None where there is none; raises BadRow."""
    if isinstance(content, list) and content and all(isinstance(each, dict) for each in content):
        parts = [each["text"] for each in content if each.get("type") in SPOKEN and "text" in each]
        content = (
            "\n".join(parts) if parts and all(isinstance(each, str) for each in parts) else None
        )
    return whole(content) if isinstance(content, str) else None


def whole(text: str) -> str:
    """Return a text; raises BadRow where it holds bytes that are none."""
    try:
        text.encode()
    except UnicodeEncodeError:
        problem = "the question contains bytes that are not UTF-8"
        raise BadRow(problem, "save or send it as UTF-8") from None
    return text
