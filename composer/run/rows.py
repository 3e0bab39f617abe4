"""Rows in and out: queries read from JSON lines, and an output file that can be taken up again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from composer.ports import Query
from composer.run.result import Failure

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from composer.run.result import Result


ACCEPTED = 'a text, a row such as {"id": "1", "query": "..."}, or a Query'

OF_ROWS = (".jsonl", ".json", ".ndjson")
"""How files are called in which every line is a JSON object; lines of others may be plain text."""


def as_queries(given: Iterable[str | Query | Mapping[str, object]]) -> Iterator[Query]:
    """Make a query of each item, numbered from 0 where it has no id; a lone question is refused."""
    if isinstance(given, str | bytes | Query | Mapping):
        kind = type(given).__name__
        raise TypeError(
            f"`map` takes several questions, but is given one value of type `{kind}`: "
            "put it in a list, or ask it alone: `ensemble(question)`"
        )
    return (as_query(each, default_id=str(at)) for at, each in enumerate(given))


def as_query(given: str | Query | Mapping[str, object], *, default_id: str = "0") -> Query:
    """Make a query of a text, or of a row with `query` or `messages`, `id` and other fields."""
    if isinstance(given, Query):
        return given
    if isinstance(given, str):
        return _whole(Query.of(given, id=default_id))
    if not isinstance(given, Mapping):
        kind = type(given).__name__
        raise TypeError(f"a question is {ACCEPTED}, but this is a value of type `{kind}`")
    fields = {name: value for name, value in given.items() if name not in ("id", "messages")}
    id_ = given.get("id")
    return _whole(Query(_messages(given), default_id if id_ is None else str(id_), fields))


def _whole(query: Query) -> Query:
    """Refuse a question that holds bytes which are no text."""
    try:
        "".join(said for _, said in query.messages).encode()
    except UnicodeEncodeError:
        help_ = "save or pipe it as UTF-8"
        raise Failure("E504", "the question holds bytes that are no UTF-8", help_) from None
    return query


def _messages(row: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    if "messages" in row:
        return _conversation(row["messages"])
    system = (("system", str(row["system"])),) if row.get("system") else ()
    if row.get("query") is None:
        raise Failure("E504", "a row needs `query` or `messages`", f"it has: {', '.join(row)}")
    return (*system, ("user", str(row["query"])))


def _conversation(messages: object) -> tuple[tuple[str, str], ...]:
    try:
        said = [(str(each["role"]), str(each["content"])) for each in messages]  # type: ignore[attr-defined]
    except (KeyError, TypeError):
        said = []
    if not said:
        help_ = 'write `"messages": [{"role": "user", "content": "..."}]`'
        raise Failure("E504", "`messages` is no list of messages", help_)
    return tuple(said)


def read_queries(lines: Iterable[str], name: str) -> Iterator[Query]:
    """Yield the query of each line; blank lines are passed over.

    A line is a JSON object or, unless the name says that all of them are, a plain text.
    """
    plain = not name.lower().endswith(OF_ROWS)
    for number, line in _numbered(lines, name):
        if not line.strip():
            continue
        try:
            text = plain and not line.lstrip().startswith("{")
            row = line.rstrip("\r\n") if text else _object(line)
            yield as_query(row, default_id=str(number))
        except (ValueError, KeyError, TypeError) as error:
            said = f"{name}, line {number}, is no JSON object: {error}"
            help_ = 'write one a line: {"id": "1", "query": "..."}'
            raise Failure("E504", said, help_) from error
        except Failure as failure:
            said = f"{name}, line {number}: {failure.message}"
            raise Failure(failure.code, said, failure.help) from None


def _numbered(lines: Iterable[str], name: str) -> Iterator[tuple[int, str]]:
    """Number the lines from 1, without the mark that some editors put before a text."""
    number = 0
    try:
        for number, line in enumerate(lines, 1):
            yield number, line.removeprefix("\ufeff") if number == 1 else line
    except UnicodeDecodeError as error:
        text = f"{name} is no text in UTF-8, after line {number}"
        raise Failure("E504", text, "save it as UTF-8") from error


def _object(line: str) -> dict[str, object]:
    row = json.loads(line)
    if not isinstance(row, dict):
        raise TypeError("it does not begin with `{`")
    return row


@dataclass(eq=False)
class Rows:
    """An output file of one JSON object a line, each written whole before the next.

    Opening it drops a last line that was torn off and rows that ended in an error; `done` holds
    the queries that are answered, by id. Each row says which `recipe` made it, by the recipe's
    fingerprint; a file of another one is refused, and rows that do not say it are accepted.
    """

    path: Path
    recipe: str = ""
    name: str = "this recipe"
    done: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        try:
            before = self.path.read_bytes() if self.path.exists() else b""
            kept = self._answered(before)
            if kept != before:
                fresh = self.path.with_name(self.path.name + ".tmp")
                fresh.write_bytes(kept)
                fresh.replace(self.path)
            self._file = self.path.open("a", encoding="utf-8")
        except OSError as error:
            text = f"{self.path} cannot be written: {error.strerror or error}"
            raise Failure("E503", text, "give another `--output`") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def left(self, queries: Iterable[Query]) -> Iterator[Query]:
        """Yield the queries that have no answer yet, each once."""
        seen: dict[str, str] = {}
        for query in queries:
            again = query.id in seen
            if seen.setdefault(query.id, query.text) != query.text:
                text = f"two different queries have the id {query.id!r}"
                raise Failure("E504", text, "answers are told apart by id: give each its own")
            before = self.done.get(query.id)
            if before is None:
                if not again:
                    yield query
            elif before != query.text:
                raise Failure(
                    "E706",
                    f"{self.path} answers another query with the id {query.id!r}",
                    "give another `--output`, or remove that file",
                )

    def write(self, result: Result) -> None:
        """Append a result; it is in the file when this returns."""
        row = result.as_dict() | ({"recipe": self.recipe} if self.recipe else {})
        self._file.write(json.dumps(row, ensure_ascii=False) + "\n")
        self._file.flush()

    def _answered(self, data: bytes) -> bytes:
        """Return the whole rows that hold an answer, each id once, and remember their queries."""
        whole = data[: data.rfind(b"\n") + 1]
        kept: list[bytes] = []
        for number, line in enumerate(whole.splitlines(), 1):
            row = self._row(line, number)
            if row.get("error") is None and str(row["id"]) not in self.done:
                self._hold(row.get("recipe"), number)
                self.done[str(row["id"])] = str(row.get("query", ""))
                kept.append(line + b"\n")
        return b"".join(kept)

    def _hold(self, made_by: object, number: int) -> None:
        """Refuse to go on after answers that another recipe gave."""
        if self.recipe and made_by not in (None, self.recipe):
            raise Failure(
                "E706",
                f"{self.path}, line {number}, was written by another recipe, or with other "
                f"settings or another seed: by {made_by}, but `{self.name}` is now {self.recipe}",
                "give another `--output`, or remove that file; nothing was overwritten",
            )

    def _row(self, line: bytes, number: int) -> dict[str, object]:
        try:
            row = json.loads(line)
            if isinstance(row, dict) and "id" in row and "answer" in row:
                return row
        except ValueError:
            pass
        raise Failure(
            "E706",
            f"{self.path}, line {number}, is no answer of a run",
            "give another `--output`; nothing was overwritten",
        )
