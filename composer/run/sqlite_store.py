"""Texts by key in one SQLite file of bounded size, which may fail at any time without harm.

Texts are collected in memory and written in batches, so that a row costs microseconds. A fault (a
full disk, a damaged file, a folder without write access) gives one warning and ends the storing. A
file that another process has locked is tried again for a while, without waiting.
"""

from __future__ import annotations

import sqlite3
import threading
import time
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING

from composer.diagnostics import Diagnostic

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

APPLICATION, VERSION = 0x454E5331, 2
"""What the head of the file says: whose it is, and which layout it has."""

LAYOUT = """
PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA journal_mode = WAL;
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS kept
    (key TEXT PRIMARY KEY, made TEXT NOT NULL, crc INTEGER NOT NULL, used INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS by_use ON kept (used);
"""
FIRST_LAYOUT = "CREATE TABLE {} (key TEXT PRIMARY KEY, made TEXT)"
"""How the two tables of the first layout were made; they are given up, for they had no bound."""

BATCH, PAUSE = 256, 0.25
"""Texts that are written at once; seconds after which fewer are written too."""

WAIT, PATIENCE, LAST = 0.05, 3.0, 1.0
"""Seconds that a lock is waited for at a time, in all, and at the end."""

FRESH = 3600
"""Seconds within which a use is not written anew."""


OLDEST = "SELECT key, length(made) FROM kept ORDER BY used, rowid LIMIT ?"
ROW_BYTES = 150
"""Bytes that a row takes beside its text: its key, twice, and when it was used."""

FAULTS = {
    sqlite3.SQLITE_BUSY: "another process has locked it",
    sqlite3.SQLITE_LOCKED: "another process has locked it",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened",
    sqlite3.SQLITE_READONLY: "it cannot be written",
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_IOERR: "the disk cannot be read or written",
    sqlite3.SQLITE_CORRUPT: "it is damaged",
    sqlite3.SQLITE_NOTADB: "it is damaged, or not a file of this program",
}
"""SQLite's faults in words."""

DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class OtherFileError(Exception):
    """The file is another program's, or another version's."""


class TextStore:
    """Texts by key, the most recently used ones within a number of bytes."""

    def __init__(
        self, place: Path | Callable[[], Path], limit: int, warn: Callable[[Diagnostic], None]
    ) -> None:
        self._limit, self._warn = limit, warn
        self._waiting: dict[str, str] = {}
        self._used: set[str] = set()
        self._lock = threading.Lock()
        self._written = self._locked = 0.0
        self._table: sqlite3.Connection | None = None
        self._path: Path | None = None
        try:
            self._path = place() if callable(place) else place
            self._table = _open(self._path)
        except (OSError, sqlite3.Error, OtherFileError) as error:
            warn(self._warning(error))

    def get(self, key: str) -> str | None:
        """Return what is kept under a key, if it is what was put there."""
        with self._lock:
            if key in self._waiting or self._table is None or self._is_paused:
                return self._waiting.get(key)
            try:
                select = "SELECT made, crc, used FROM kept WHERE key = ?"
                row = self._table.execute(select, (key,)).fetchone()
            except sqlite3.Error as error:
                self._handle_fault(error)
                return None
        text, crc, used = row or (None, 0, 0)
        if not isinstance(text, str) or zlib.crc32(text.encode()) != crc:
            return None
        if used < time.time() - FRESH:
            self._used.add(key)
        return text

    def put(self, key: str, text: str) -> None:
        """Keep a text; it is in the file after a moment, or after `close`."""
        with self._lock:
            if self._table is None:
                return
            self._waiting[key] = text
            late = time.monotonic() - self._written > PAUSE
            if (late or len(self._waiting) >= BATCH) and not self._is_paused:
                self._write()

    def close(self) -> None:
        """Write what waits, and close the file."""
        with self._lock:
            end = time.monotonic() + LAST
            while self._table is not None and (self._waiting or self._used):
                self._write(patience=end - time.monotonic())
            self._close()

    @property
    def _is_paused(self) -> bool:
        """Whether the file was locked a moment ago."""
        return bool(self._locked) and time.monotonic() - self._written < PAUSE

    def _write(self, patience: float = PATIENCE) -> None:
        """Write what waits in one transaction, and make room for it."""
        assert self._table is not None
        self._written, now = time.monotonic(), int(time.time())
        rows = [(key, text, zlib.crc32(text.encode()), now) for key, text in self._waiting.items()]
        try:
            with self._table as table:
                table.execute("BEGIN IMMEDIATE")
                table.executemany("INSERT OR REPLACE INTO kept VALUES (?, ?, ?, ?)", rows)
                uses = [(now, key) for key in self._used]
                table.executemany("UPDATE kept SET used = ? WHERE key = ?", uses)
                large = self._make_room(table, 2 * len(rows) + BATCH)
            if large:
                # As a script, for a lone statement that gives no rows is taken one step only.
                table.executescript(f"PRAGMA incremental_vacuum({2 * len(rows) + BATCH})")
        except sqlite3.Error as error:
            self._handle_fault(error, patience)
            return
        self._locked = 0.0
        self._waiting.clear()
        self._used.clear()

    def _make_room(self, table: sqlite3.Connection, most: int) -> bool:
        """Delete the least recently used rows, some at a time, if the file is too large.

        Says whether it is still larger than its bound.
        """
        names = ("page_size", "page_count", "freelist_count")
        size, count, free = (table.execute(f"PRAGMA {name}").fetchone()[0] for name in names)
        over = size * (count - free) - self._limit
        for key, length in table.execute(OLDEST, (most,)).fetchall() if over > 0 else ():
            table.execute("DELETE FROM kept WHERE key = ?", (key,))
            over -= length + ROW_BYTES
            if over <= 0:
                break
        return bool(size * count > self._limit)

    def _handle_fault(self, error: sqlite3.Error, patience: float = PATIENCE) -> None:
        """Try again later where the file is locked; any other fault ends the keeping."""
        now = time.monotonic()
        self._written = now
        self._locked = self._locked or now
        if not _is_lock(error) or now - self._locked > patience:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        self._close()
        with suppress(Warning):  # which the filters of Python's warnings may raise
            self._warn(self._warning(error))

    def _close(self) -> None:
        """Close the file and ignore faults of closing."""
        table, self._table = self._table, None
        self._waiting.clear()
        self._used.clear()
        if table is not None:
            with suppress(sqlite3.Error):
                table.close()

    def _warning(self, error: Exception) -> Diagnostic:
        where = f" in {self._path}" if self._path is not None else ""
        code = _code(error)
        fault = FAULTS.get(code, str(error))
        help_ = "the run continues without it; `--no-cache` hides this warning"
        if code in DAMAGED:
            help_ = "the run continues without it; you may delete the file, it contains only copies"
        return Diagnostic("W710", f"answers are not kept{where}: {fault}", help=help_)


def _open(path: Path) -> sqlite3.Connection:
    """Open a file, and make its table if it is new; raises sqlite3.Error or OtherFileError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    end = time.monotonic() + LAST
    while True:
        table = sqlite3.connect(path, timeout=WAIT, isolation_level=None, check_same_thread=False)
        try:
            _lay_out(table)
        except sqlite3.Error as error:
            table.close()
            if not _is_lock(error) or time.monotonic() > end:
                raise
        except OtherFileError:
            table.close()
            raise
        else:
            return table


def _lay_out(table: sqlite3.Connection) -> None:
    """Make the table in a new file; check that an old file is one of ours."""
    application, version = _head(table)
    if (application, version) == (APPLICATION, VERSION):
        table.execute("PRAGMA synchronous = NORMAL")
        return
    tables = dict(table.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'"))
    firsts = {name: FIRST_LAYOUT.format(name) for name in ("answers", "scores")}
    if application == APPLICATION or (tables and tables != firsts):
        reason = (
            "it was made by another version of this package" if application == APPLICATION else ""
        )
        raise OtherFileError(reason or "it is not a file of this program; it was not changed")
    table.executescript(LAYOUT)
    for name in tables:
        table.execute(f"DROP TABLE IF EXISTS {name}")
    table.execute(f"PRAGMA application_id = {APPLICATION}")
    table.execute(f"PRAGMA user_version = {VERSION}")
    table.execute("COMMIT")
    table.execute("PRAGMA synchronous = NORMAL")


def _head(table: sqlite3.Connection) -> tuple[int, int]:
    names = ("application_id", "user_version")
    application, version = (table.execute(f"PRAGMA {name}").fetchone()[0] for name in names)
    return application, version


def _is_lock(error: Exception) -> bool:
    """Say whether another process holds the file at the moment."""
    return _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _code(error: Exception) -> int:
    """Return SQLite's code of a fault without its finer distinctions; 0 for other faults."""
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF
