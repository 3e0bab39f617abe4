"""A store of solved questions: JSON lines to which several runs may add at the same time.

A line is added under a lock, whole and to the disk, before the answer is used. A kill can tear off
only the last line; it is not read, and the next line that is added replaces it.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, BinaryIO

from composer.methods.mistakes import PartError
from composer.methods.retrieval import PassageIndex, has_words

if TYPE_CHECKING:
    from asyncio import Semaphore

    from composer.methods.retrieval import Fit

__all__ = ["Solved", "SolvedStore", "readable_store", "solved_store"]

LOCK = ".{}.lock"
"""The name of the file that is locked while a line is added; it says nothing after that."""

PATIENCE = 30.0
"""Seconds to wait for another process that adds a line."""


@dataclass(frozen=True, slots=True)
class Solved:
    """A question, an answer that was accepted, and who gave it."""

    query: str
    answer: str
    by: str = ""

    @property
    def line(self) -> bytes:
        """The line of the file."""
        row = {"query": self.query, "answer": self.answer, "by": self.by}
        return (json.dumps(row) + "\n").encode()


@dataclass(eq=False)
class SolvedStore:
    """The solved questions of a file, or, without a path, of this process.

    `lines` are all that were added, in their order. Of a question that was solved again the last
    answer counts.
    """

    path: Path | None = None
    lines: list[Solved] = field(default_factory=list, init=False)
    _latest: dict[str, Solved] = field(default_factory=dict, init=False, repr=False)
    _end: int = 0
    _index: tuple[int, PassageIndex, list[Solved]] | None = None
    _lock: Lock = field(default_factory=Lock, repr=False)

    def read(self) -> list[Solved]:
        """Return all lines, those that other processes have added with them.

        Raises PartError (E504) for a line that is no solved question.
        """
        with self._lock:
            self._read()
            return list(self.lines)

    def add(self, solved: Solved) -> None:
        """Add a solved question, unless it is there with this answer; raises PartError (E718)."""
        with self._lock:
            if self.path is None:
                if self._latest.get(solved.query) != solved:
                    self._keep(solved)
                return
            try:
                self._append(self.path, solved)
            except OSError as error:
                text = f"cannot write the store {self.path.name}: {error.strerror or error}"
                raise PartError("E718", text, "name a `.jsonl` file that you may write") from error

    def find(self, query: str) -> Solved | None:
        """Return the last answer to exactly this question."""
        with self._lock:
            self._read()
            return self._latest.get(query)

    def nearest(self, query: str, k: int, by: Fit) -> list[tuple[Solved, float]]:
        """Return the `k` solved questions that are most like this one, with their likeness.

        A question that shares no word with it is left out.
        """
        with self._lock:
            self._read()
            if self._index is None or self._index[0] != len(self.lines):
                latest = {query: each for query, each in self._latest.items() if has_words(query)}
                if not latest:
                    return []
                index = PassageIndex(list(latest), by)
                self._index = (len(self.lines), index, list(latest.values()))
            _, index, solved = self._index
        return [(solved[at], score) for at, score in index.best(query, k)]

    def _keep(self, solved: Solved) -> None:
        self.lines.append(solved)
        self._latest[solved.query] = solved

    def _append(self, path: Path, solved: Solved) -> None:
        from filelock import FileLock, Timeout

        path.parent.stat()  # a lock would make the folder
        try:
            with FileLock(path.with_name(LOCK.format(path.name)), timeout=PATIENCE):
                self._read()
                if self._latest.get(solved.query) == solved:
                    return
                with path.open("ab") as file:
                    file.truncate(self._end)
                    file.write(solved.line)
                    file.flush()
                    os.fsync(file.fileno())
                self._read()
        except Timeout as error:
            text = f"another process has locked the store {path.name} for {PATIENCE:.0f} seconds"
            raise PartError("E718", text, "end that process, or name another store") from error

    def _read(self) -> None:
        """Read the lines that are new since the last time."""
        if self.path is None or not self.path.exists():
            return
        with self.path.open("rb") as file:
            if os.fstat(file.fileno()).st_size < self._end:  # it was written anew
                self.lines, self._latest, self._end, self._index = [], {}, 0, None
            file.seek(self._end)
            self._read_lines(file)

    def _read_lines(self, file: BinaryIO) -> None:
        for line in file:
            if not line.endswith(b"\n"):
                return
            self._keep(self._solved(line))
            self._end += len(line)

    def _solved(self, line: bytes) -> Solved:
        try:
            row = json.loads(line)
            return Solved(str(row["query"]), str(row["answer"]), str(row.get("by", "")))
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            assert self.path is not None
            raise PartError(
                "E504",
                f"{self.path.name}, line {len(self.lines) + 1}, is no solved question",
                'a line is {"query": "2 + 2?", "answer": "4"}; name another file, or mend the line',
            ) from error


def readable_store(path: str) -> str:
    """Return the path of a store; raises ValueError for one that is no `.jsonl` file."""
    if Path(path).suffix != ".jsonl":
        raise ValueError("a store is a `.jsonl` file, such as `solved.jsonl`")
    return path


@lru_cache(maxsize=32)
def solved_store(path: str) -> SolvedStore:
    """Return the store of a file, one for the whole process."""
    return SolvedStore(Path(path))


def turns_of(at_once: int) -> Semaphore:
    """Return the turns that questions wait for, where each learns from those before it."""
    from asyncio import Semaphore  # slow to import, and most commands need none

    return Semaphore(at_once)
