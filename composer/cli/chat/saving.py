"""`/save FILE`: a conversation as text, or as rows that `compose run --input` reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from composer.atomic import write_atomically
from composer.diagnostics.amounts import counted
from composer.run import Failure

if TYPE_CHECKING:
    from composer.cli.chat.conversation import Conversation

__all__ = ["save"]

ROWS = ".jsonl"


def save(conversation: Conversation, file: str) -> str:
    """Write a conversation; return what was written. Raises Failure where that cannot be done.

    A file that ends with `.jsonl` has a row for each question, with all that was said before it,
    its answer and what that took. Any other has the conversation as text.
    """
    if not file:
        raise Failure("E501", "`/save` needs a file", "write `/save talk.jsonl` or `/save talk.md`")
    path = Path(file).expanduser()
    text = _rows(conversation) if path.suffix == ROWS else _transcript(conversation)
    try:
        write_atomically(path, text.encode())
    except OSError as error:
        raise Failure("E718", f"cannot write {file}: {error.strerror}", "name another") from None
    return f"wrote {counted(len(conversation.turns), 'answered question')} to {path}"


def _rows(conversation: Conversation) -> str:
    messages = conversation.messages()
    rows = [
        {**turn.result.as_dict(), "messages": messages[: 2 * at + 1]}
        for at, turn in enumerate(conversation.turns)
    ]
    for row in rows:
        del row["query"]  # the last of the messages
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _transcript(conversation: Conversation) -> str:
    return "\n".join(f"> {turn.question}\n\n{turn.result}\n" for turn in conversation.turns)
