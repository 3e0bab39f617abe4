"""An output file with one answer a line; a second run continues where the first one stopped."""

from __future__ import annotations

import json
import stat
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

from composer.atomic import atomic_file, write_atomically
from composer.compiler.plan.option_text import quoted
from composer.run.batches import plain_row
from composer.run.fingerprint import Facts, changes
from composer.run.jsonl import JsonlWriter, is_stream
from composer.run.queries import asked_text, digest_of
from composer.run.result import Failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from composer.run.result import Result
    from composer.values import Query

ELSEWHERE = "give another `--output`, or delete that file"
LOCK = ".{}.lock"
"""The name of the file that is locked while a run writes; it says nothing once that has ended."""

FACTS = ".{}.recipe"
"""The name of the file that keeps what the recipe of an output file is."""

SHOWN = 3
"""So many changes of a recipe are told."""


@dataclass(eq=False)
class OutputFile:
    """An output file of one JSON object a line, each written whole before the next.

    Opening it drops a last line that was torn off and rows that ended in an error; `done` holds
    the queries that are answered, by id. Each row says which `recipe` made it, by the recipe's
    fingerprint, and by a hash what was `asked`; a file of another recipe is refused, and so is
    one that another run writes to. Rows that do not say these are accepted. A pipe or a device is
    written to as it is. A row that is to have another form has it from `form`. A hidden file
    beside it keeps the recipe's `facts`, so that a refusal can say what has changed.
    """

    path: Path
    recipe: str = ""
    name: str = "this recipe"
    facts: Facts = field(default_factory=dict)
    form: Callable[[Result], dict[str, object] | None] = lambda _: None
    done: dict[str, str] = field(default_factory=dict)
    _query_digests: dict[str, str] = field(default_factory=dict, repr=False)
    _pending_digests: dict[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self._stack = ExitStack()
        try:
            self._file = self._open()
        except OSError as error:
            self._stack.close()
            text = f"cannot write {self.path}: {error.strerror or error}"
            raise Failure("E718", text, "give another `--output`") from error
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()
        self._stack.close()

    def pending(self, queries: Iterable[Query]) -> Iterator[Query]:
        """Yield the queries that have no answer yet, each once, and remember what they ask.

        Raises Failure where an id stands for two queries (E504), or for another one than that
        which was answered (E706): other messages, other fields.
        """
        for query, digest in self._unanswered(queries):
            self._pending_digests[query.id] = digest
            yield query

    def unanswered(self, queries: Iterable[Query]) -> Iterator[Query]:
        """Yield the queries that have no answer yet, only to count them."""
        return (query for query, _ in self._unanswered(queries))

    def _unanswered(self, queries: Iterable[Query]) -> Iterator[tuple[Query, str]]:
        """Yield the queries that have no answer yet, each with a hash of what it asks."""
        digests: dict[str, str] = {}
        answered = set(self._query_digests.values())
        for query in queries:
            digest = digest_of(query)
            is_repeat = query.id in digests
            if digests.setdefault(query.id, digest) != digest:
                text = f"two different queries have the id {query.id!r}"
                raise Failure("E504", text, "give each query its own id")
            if query.content and digest in answered:
                continue
            if query.id in self.done:
                self._compare(query, digest)
            elif not is_repeat:
                yield query, digest

    def write(self, result: Result) -> None:
        """Append a result; it is in the file when this returns. Raises Failure (E718)."""
        digest = self._pending_digests.pop(result.id, "")
        row = self.form(result) or result.as_dict()
        row |= {
            name: value for name, value in (("recipe", self.recipe), ("asked", digest)) if value
        }
        self._file.write(row)

    def _open(self) -> JsonlWriter:
        """Open the file, read the answers in it, and lock it."""
        if is_stream(self.path):
            return JsonlWriter(self.path)
        place = self.path.resolve()
        place.parent.stat()  # a lock would make the folder
        self._lock(place.with_name(LOCK.format(place.name)))
        if place.exists() and not self._read_answers():
            self._rewrite(place)
        self._keep_facts()
        return JsonlWriter(self.path)

    def _lock(self, place: Path) -> None:
        from filelock import FileLock, Timeout

        try:
            self._stack.enter_context(FileLock(place, timeout=0))
        except Timeout:
            text = f"another run is writing to {self.path}"
            help_ = "wait for it to end, or give another `--output`"
            raise Failure("E714", text, help_) from None
        except NotImplementedError:
            text = f"cannot lock {self.path}, so two runs could write to it"
            raise Failure("E718", text, "give an `--output` on another disk") from None

    def _compare(self, query: Query, digest: str) -> None:
        """Raise Failure if the file has an answer to another query with the same id."""
        before = self._query_digests.get(query.id)
        if before is None and self.done[query.id] == asked_text(query):
            return
        if before == digest:
            return
        subject, which = "a different query with the id", ""
        if self.done[query.id] == asked_text(query):
            subject = "the same question, but with other messages or fields, with the id"
        else:
            which = f": {quoted(self.done[query.id])} before, {quoted(asked_text(query))} now"
        text = f"{self.path} already has an answer to {subject} {query.id!r}{which}"
        raise Failure("E706", text, ELSEWHERE)

    def _read_answers(self) -> bool:
        """Read the answers of the file; say whether it has no other rows."""
        whole = True
        for number, line in enumerate(_lines(self.path), 1):
            row = self._row(line, number) if line.endswith(b"\n") else None
            if row is None or not self._is_new_answer(row):
                whole = False
                continue
            self._check_recipe(row.get("recipe"), number)
            self.done[str(row["id"])] = str(row.get("query", ""))
            if isinstance(row.get("asked"), str):
                self._query_digests[str(row["id"])] = str(row["asked"])
        return whole

    def _rewrite(self, place: Path) -> None:
        """Write the file again with its answers only, in one atomic step."""
        ids: set[str] = set()
        with atomic_file(place, durable=True) as file:
            Path(file.name).chmod(stat.S_IMODE(place.stat().st_mode))
            for number, line in enumerate(_lines(self.path), 1):
                row = self._row(line, number) if line.endswith(b"\n") else {"error": "torn"}
                if row.get("error") is None and str(row["id"]) not in ids:
                    ids.add(str(row["id"]))
                    file.write(line)

    def _is_new_answer(self, row: dict[str, object]) -> bool:
        return row.get("error") is None and str(row["id"]) not in self.done

    def _check_recipe(self, made_by: object, number: int) -> None:
        """Raise Failure if a row was written by another recipe."""
        if self.recipe and made_by not in (None, self.recipe):
            raise Failure(
                "E706",
                f"{self.path}, line {number}, was written by another recipe, or with other "
                f"settings or another seed ({made_by}; `{self.name}` is now {self.recipe})"
                f"{self._what_changed(made_by)}",
                f"{ELSEWHERE}; nothing was overwritten",
            )

    def _what_changed(self, made_by: object) -> str:
        """Say what differs from the recipe that wrote the file, where that is kept beside it."""
        try:
            kept = json.loads(self._facts_file.read_text(encoding="utf-8"))
            lines = changes(kept["facts"], self.facts) if kept["recipe"] == made_by else []
        except (OSError, ValueError, TypeError, LookupError, AttributeError):
            return ""
        more = f"; and {len(lines) - SHOWN} more" if len(lines) > SHOWN else ""
        return f". What has changed: {'; '.join(lines[:SHOWN])}{more}" if lines else ""

    def _keep_facts(self) -> None:
        """Write down what the recipe is, whole or not at all."""
        if not self.facts:
            return
        text = json.dumps({"recipe": self.recipe, "facts": self.facts}, ensure_ascii=False)
        write_atomically(self._facts_file, text.encode(errors="replace"))

    @property
    def _facts_file(self) -> Path:
        place = self.path.resolve()
        return place.with_name(FACTS.format(place.name))

    def _row(self, line: bytes, number: int) -> dict[str, object]:
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        row = plain_row(row) if isinstance(row, dict) else {}
        if "id" in row and "answer" in row:
            return row
        raise Failure(
            "E706",
            f"{self.path}, line {number}, is not an answer of a run",
            "give another `--output`; nothing was overwritten",
        )


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from file
