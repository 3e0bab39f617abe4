"""The texts that a student is trained on, out of a file of running text or of rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from composer.data import BadRow, Unreadable, id_of, messages_of, pair_of, read
from composer.diagnostics import Diagnostic, Mistakes, Place, Source
from composer.diagnostics.amounts import counted
from composer.engine.sessions.likely_tokens import Document
from composer.values import Query

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from composer.data import Line

__all__ = ["documents", "questions", "refuse_overlap"]

TEXT = "text"
"""The field of a row that holds running text."""

SHAPE = 'a row is {"text": "..."}, or {"query": "2 + 2?", "reference": "4"}'
SHOWN_MISTAKES, SHOWN_LINE = 10, 120

LONG = 60
"""Characters of a line of running text that is compared with a test file."""

Count = "Callable[[str], int]"


def documents(path: str, length: int, count: Callable[[str], int]) -> list[Document]:
    """Read a corpus; raises Mistakes (E504) for a bad row, or where there is nothing to learn.

    Running text is cut at the ends of lines into pieces of at most `length` tokens; `count` says
    how many a text has.
    """
    if Path(path).suffix == ".txt":
        try:
            texts = [Path(path).read_text(encoding="utf-8-sig")]
        except (OSError, UnicodeError):
            raise _unreadable(path, "cannot be read as text in UTF-8") from None
        found = [Document(None, piece, end=False) for piece in _pieces(texts[0], length, count)]
    else:
        rows = _rows(path, _document)
        found = [each for row in rows for each in _cut(row, length, count)]
    if not found:
        raise _unreadable(path, "has no text to learn from")
    return found


def questions(path: str) -> list[Query]:
    """Read the questions of a corpus, whose answers are not read."""
    if Path(path).suffix == ".txt":
        raise _unreadable(path, "is running text, and teachers answer questions")
    found = _rows(path, _query)
    if not found:
        raise _unreadable(path, "has no questions")
    return found


def refuse_overlap(corpus: str, texts: Sequence[Document], test: str) -> None:
    """Raise Mistakes (E504) where the corpus has a text of the test file.

    Those are compared without regard to spaces and case: questions, and of running text the lines
    that are long enough not to be there twice by chance.
    """
    tested = {_plain(text) for text in _compared_texts(documents(test, 1 << 30, len))} - {""}
    common = [text for text in _compared_texts(texts) if _plain(text) in tested]
    if common:
        many = counted(len(common), "text")
        message = f"{many} of the corpus `{corpus}` can be found in the test file `{test}`"
        help_ = "take them out of the corpus, or figures on the test file mean nothing"
        raise Mistakes([Diagnostic("E504", f"{message}: {common[0][:SHOWN_LINE]!r}", help=help_)])


def _compared_texts(texts: Sequence[Document]) -> Iterator[str]:
    for each in texts:
        if each.query is not None:
            yield each.query.text
        else:
            yield from (line for line in each.text.splitlines() if len(line) >= LONG)


def _plain(text: str) -> str:
    return " ".join(text.lower().split())


def _document(row: Mapping[str, Any]) -> Document:
    """Read a row: running text, or an answer behind its question."""
    if row.get("split") == "test":
        raise BadRow("this row is of the split `test`", "train on other rows")
    if row.get(pair_of(row)[0]) is None and "messages" not in row:
        if TEXT not in row:
            raise BadRow(f"this row has neither a `{TEXT}` nor a question", SHAPE)
        if not isinstance(row[TEXT], str) or not row[TEXT].strip():
            raise BadRow(f"`{TEXT}` must be a text that is not empty", SHAPE)
        return Document(None, row[TEXT], end=False)
    return Document(_query(row), _answer(row), end=True)


def _query(row: Mapping[str, Any]) -> Query:
    messages = messages_of(row)
    if messages[-1][0] == "assistant":
        messages = messages[:-1]
    return Query(messages, id_of(row) or "0")


def _answer(row: Mapping[str, Any]) -> str:
    """Return what is to be learned: the reference, or the last turn of a conversation."""
    answer = row.get(pair_of(row)[1])
    if answer is None and row.get("messages"):
        role, answer = messages_of(row)[-1]
        answer = answer if role == "assistant" else None
    answer = answer[0] if isinstance(answer, list) and answer else answer
    if isinstance(answer, bool) or not isinstance(answer, str | int | float) or answer == "":
        raise BadRow("this row has no answer to learn", SHAPE)
    return str(answer)


def _cut(document: Document, length: int, count: Callable[[str], int]) -> Iterator[Document]:
    if document.query is not None:
        yield document
        return
    for piece in _pieces(document.text, length, count):
        yield Document(None, piece, end=False)


def _pieces(text: str, length: int, count: Callable[[str], int]) -> Iterator[str]:
    """Yield a text in pieces of whole lines; a line that is too long is cut in halves."""
    waiting, piece, size = text.splitlines(keepends=True)[::-1], "", 0
    while waiting:
        line = waiting.pop()
        own = count(line)
        if own > length and len(line) > 1:
            waiting += [*_halves(line)][::-1]
        elif size + own > length and piece.strip():
            yield piece
            piece, size = line, own
        else:
            piece, size = piece + line, size + own
    if piece.strip():
        yield piece


def _halves(line: str) -> tuple[str, str]:
    """Cut a line near its middle, before a space where there is one."""
    middle = len(line) // 2
    at = line.rfind(" ", 1, middle + 1)
    at = at if at > 0 else middle
    return line[:at], line[at:]


def _rows(path: str, make: Callable[[Mapping[str, Any]], Any]) -> list[Any]:
    """Read the rows of a file; all of its mistakes are reported at once."""
    found: list[Any] = []
    mistakes: list[Diagnostic] = []
    try:
        for line in read(path):
            try:
                if isinstance(line.content, BadRow):
                    raise line.content
                found.append(make(line.content))
            except BadRow as bad:
                mistakes.append(_mistake(path, line, bad))
    except Unreadable as bad:
        raise Mistakes([bad.diagnostic()]) from bad
    if mistakes:
        raise Mistakes(mistakes[:SHOWN_MISTAKES])
    return found


def _mistake(path: str, line: Line, bad: BadRow) -> Diagnostic:
    shown = line.text[:SHOWN_LINE]
    source = Source(line.file or path, "\n" * (line.number - 1) + shown)
    start = source.starts[line.number - 1]
    return Diagnostic("E504", bad.message, Place(source, start, start + len(shown)), help=bad.help)


def _unreadable(path: str, why: str) -> Mistakes:
    return Mistakes([Diagnostic("E504", f"the corpus `{path}` {why}", help=SHAPE)])
