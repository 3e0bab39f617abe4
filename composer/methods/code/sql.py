"""Statements of SQL, executed on a copy of a database that they cannot change."""

import json
import re
import sqlite3
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import ClassVar

from pydantic import Field, field_validator

from composer.methods.mistakes import PartError
from composer.methods.readers.basic import Reader
from composer.methods.readers.structured import fenced_blocks, language_of
from composer.values import Asker, FilePath, Text

_ALLOWED = {
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_FUNCTION,
    sqlite3.SQLITE_RECURSIVE,
}
_REFUSED = {"load_extension", "writefile", "readfile", "edit", "fts3_tokenizer"}
_STEPS = 20
"""Steps of SQLite between two looks at the clock; a function such as `instr` is one step."""

_LONGEST = 200_000
"""Bytes of one value: the time of `instr` and `replace` grows with the square of it."""

_LONGEST_PATTERN = 1000
"""Bytes of the pattern of a LIKE."""

_LARGEST = 50_000_000
"""Characters of all rows."""

_SKIPPED = re.compile(
    r"""--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`|\[[^\]]*\]""", re.DOTALL
)


class StatementError(Exception):
    """A statement that gives no rows; says why."""


class Rows(Reader):
    """The rows that the answer's statement of SQL gives: `extract(by = rows("shop.sqlite"))`.

    The statement is the block of code in the answer, else all of it. It is executed on a copy of
    the SQLite database, or of what a file of SQL (`.sql`) makes. It can only read: it may not
    change, attach or set anything. Rows are compared without regard to their order, unless the
    statement has an ORDER BY. One that fails, takes more than `seconds` or gives more than `limit`
    rows abstains; the trace says why.
    """

    name: ClassVar[str] = "rows"
    paper: ClassVar[str] = "arXiv:1807.03100"

    database: FilePath
    seconds: float = Field(default=5.0, gt=0)
    limit: int = Field(default=10_000, ge=1)

    @field_validator("database")
    @classmethod
    def _is_database(cls, database: str) -> str:
        if Path(database).is_file():  # one that is missing is a mistake of the path
            try:
                _content(database, Path(database).stat().st_mtime_ns)
            except sqlite3.Error as error:
                raise ValueError(f"`{database}` is no SQLite database: {error}") from None
        return database

    def digests(self) -> Mapping[str, str]:
        """Return the digest of the database."""
        import hashlib

        return {"database": hashlib.sha256(Path(self.database).read_bytes()).hexdigest()}

    def read(self, text: str) -> str | None:
        """Return the rows as JSON."""
        try:
            return self.rows(text)
        except StatementError:
            return None

    async def read_all(self, texts: Sequence[Text], ask: Asker) -> list[str | None]:
        """Execute the statement of each answer; the trace has the errors."""
        values: list[str | None] = []
        errors = {}
        for text in texts:
            try:
                values.append(await ask.compute(partial(self.rows, text.answer or "")))
            except StatementError as error:
                values.append(None)
                errors[text.source] = str(error)
        if errors:
            ask.note(errors=errors)
        return values

    def rows(self, text: str) -> str:
        """Return the rows that a statement gives, as JSON; raises StatementError."""
        statement = statement_in(text)
        try:
            content = _content(self.database, Path(self.database).stat().st_mtime_ns)
        except (OSError, sqlite3.Error) as error:
            raise PartError("E501", f"`{self.database}` cannot be read: {error}") from None
        connection = sqlite3.connect(":memory:")
        try:
            connection.deserialize(content)
            return self._execute(connection, statement)
        except (sqlite3.Error, sqlite3.Warning, MemoryError, UnicodeError) as error:
            why = str(error) or "it needs too much memory"
            raise StatementError(f"it may only read: {why}" if "authoriz" in why else why) from None
        finally:
            connection.close()

    def _execute(self, connection: sqlite3.Connection, statement: str) -> str:
        until = time.monotonic() + self.seconds
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST)
        connection.setlimit(sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, _LONGEST_PATTERN)
        connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        connection.set_authorizer(_authorized)
        connection.set_progress_handler(lambda: time.monotonic() > until, _STEPS)
        try:
            rows, size = [], 0
            for row in connection.execute(statement):
                rows.append(json.dumps([_plain(value) for value in row]))
                size += len(rows[-1])
                if len(rows) > self.limit or size > _LARGEST:
                    raise StatementError(f"it gives more than {self.limit} rows, or too much text")
        except sqlite3.OperationalError as error:
            if "interrupted" in str(error):
                raise StatementError(f"it takes more than {self.seconds:g} seconds") from None
            raise
        return f"[{', '.join(rows if _is_ordered(statement) else sorted(rows))}]"


def statement_in(text: str) -> str:
    """Return the statement in an answer: the last block of SQL, else all of it."""
    blocks = [code for name, code in fenced_blocks(text) if language_of(name) in {"", "sql"}]
    return (blocks[-1] if blocks else text).strip()


@lru_cache(maxsize=16)
def _content(database: str, _changed: int) -> bytes:
    """Return the bytes of a database, which a file of SQL makes or SQLite's own file holds."""
    copy = sqlite3.connect(":memory:")
    try:
        if database.lower().endswith(".sql"):
            copy.executescript(Path(database).read_text(encoding="utf-8"))
        else:
            address = f"{Path(database).resolve().as_uri()}?mode=ro"
            source = sqlite3.connect(address, uri=True)
            try:
                source.backup(copy)
            finally:
                source.close()
        copy.execute("select count(*) from sqlite_master")
        return copy.serialize()
    finally:
        copy.close()


def _authorized(action: int, _first: str | None, second: str | None, *_: object) -> int:
    refused = action == sqlite3.SQLITE_FUNCTION and (second or "").lower() in _REFUSED
    return sqlite3.SQLITE_OK if action in _ALLOWED and not refused else sqlite3.SQLITE_DENY


def _is_ordered(statement: str) -> bool:
    """Say whether the rows of a statement have an order of their own."""
    text, depth, outside = _SKIPPED.sub(" ", statement), 0, []
    for letter in text:
        depth += (letter == "(") - (letter == ")")
        outside.append(letter if depth == 0 else " ")
    return re.search(r"\border\s+by\b", "".join(outside), re.IGNORECASE) is not None


def _plain(value: object) -> object:
    """Return a value of a row as JSON has it; numbers that are equal are written alike."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float):
        return int(value) if value.is_integer() else float(f"{value:.12g}")
    return value
