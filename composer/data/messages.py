"""Who said what in a row: a query, or a conversation in the shapes that services take."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeGuard

from composer.data.row import BadRow, pair_of
from composer.diagnostics import did_you_mean
from composer.diagnostics.printable import is_whole
from composer.values.media import mark_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from composer.values.flow import JSON, Message

__all__ = ["calls_left_out", "media_of", "messages_of", "query_of", "whole"]

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

    Content parts that are no text have marks in their places; `media_of` has the parts. Raises
    BadRow where the row asks nothing, or where it says two things at once.
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


def media_of(row: Mapping[str, object]) -> dict[str, JSON]:
    """Return the content parts of a row that are no text, by their marks."""
    messages = row.get("messages")
    turns = messages if isinstance(messages, list | tuple) else ()
    field, _ = pair_of(row)
    contents = [each.get("content") for each in turns if isinstance(each, dict)]
    lists = [each for each in (row.get("system"), row.get(field), *contents) if _has_parts(each)]
    return {mark_of(part): part for parts in lists for part in parts if _is_medium(part)}


def calls_left_out(messages: object) -> Iterator[str]:
    """Yield what a conversation holds that no model is told: calls of tools."""
    for each in messages if isinstance(messages, list) else []:
        if isinstance(each, dict) and each.get("tool_calls"):
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
        if isinstance(row.get("query"), list):
            advice = "write the turns of a conversation under `messages`, not under `query`"
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
            f"message {at} has no `content` that is a text, or parts that each have a `type`",
            "leave the message out, or write its text",
        )
    return role, text


def _text(content: object) -> str | None:
    """Return a text, that of content parts, or None where there is none; raises BadRow."""
    if _has_parts(content):
        texts = [_part_text(each) for each in content]
        content = None if None in texts else "\n".join(filter(None, texts))
    return whole(content) if isinstance(content, str) else None


def _has_parts(content: object) -> TypeGuard[list[dict[str, JSON]]]:
    """Say whether a content is a list of parts."""
    return isinstance(content, list) and bool(content) and all(isinstance(e, dict) for e in content)


def _part_text(part: dict[str, JSON]) -> str | None:
    """Return the text of a part, or its mark; None for what is no part."""
    if _is_medium(part):
        return mark_of(part)
    text = part.get("text") if part.get("type") in SPOKEN else None
    return text if isinstance(text, str) else None


def _is_medium(part: dict[str, JSON]) -> bool:
    """Say whether a part is something else than text: it has a type, and what that says."""
    kind = part.get("type")
    return isinstance(kind, str) and kind not in SPOKEN and len(part) > 1


def whole(text: str) -> str:
    """Return a text; raises BadRow where it holds bytes that are none."""
    if not is_whole(text):
        problem = "the question contains bytes that are not UTF-8"
        raise BadRow(problem, "save or send it as UTF-8")
    return text
