"""Recorded outcomes that estimators learn from: JSON lines of queries and who was right.

A row is `{"query": "...", "recorded": {"model": {"correct": true}}}`, or `"score": 0.7`.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from composer.parts.estimators.once import Once
from composer.parts.mistakes import PartError
from composer.words import did_you_mean

if TYPE_CHECKING:
    from composer.parts.estimators.base import Choice

_GZIP = b"\x1f\x8b"
_CODE = "E504"
_SHAPE = 'a row is {"query": "...", "recorded": {"A": {"correct": true}}}'


@dataclass(frozen=True, eq=False)
class Table:
    """The rows of a file: queries, and by model each row's label, None where it has none.

    `digest` names the content, `graded` the models whose labels are scores, not right or wrong.
    """

    path: str
    digest: str
    queries: tuple[str, ...]
    labels: dict[str, tuple[float | None, ...]]
    graded: frozenset[str]

    def column(self, choice: Choice) -> str:
        """Return the name under which a choice was recorded."""
        found = next((name for name in choice.known_as if name in self.labels), None)
        if found is None:
            advice = did_you_mean(choice.name, self.labels)
            raise PartError(
                _CODE,
                f"{self.path} has no recorded outcome of `{choice.name}`",
                f"{advice}; name the branch so, or give the model that alias",
            )
        return found


_TABLES: Once[Table] = Once()


def table(path: str) -> Table:
    """Read a file of recorded outcomes, once as long as it does not change."""
    try:
        state = Path(path).stat()
    except OSError:
        raise PartError("E501", f"there is no file `{path}`", _SHAPE) from None
    key = (path, state.st_mtime_ns, state.st_size)
    return _TABLES.get(key, lambda: _read(path))


def _read(path: str) -> Table:
    try:
        raw = Path(path).read_bytes()
        text = (gzip.decompress(raw) if raw.startswith(_GZIP) else raw).decode()
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise PartError(_CODE, f"{path} cannot be read: {error}") from None
    # Not `splitlines`: JSON may hold other line separators, such as U+2028, inside its strings.
    lines = enumerate(text.split("\n"), 1)
    rows = [_row(path, number, line) for number, line in lines if line.strip()]
    if not rows:
        raise PartError(_CODE, f"{path} has no rows to learn from", _SHAPE)
    return _gather(path, hashlib.sha256(raw).hexdigest(), rows)


def _gather(path: str, digest: str, rows: list[tuple[str, dict[str, bool | float]]]) -> Table:
    names = dict.fromkeys(name for _, labels in rows for name in labels)
    graded = {name for _, labels in rows for name, value in labels.items() if value not in (0, 1)}
    labels = {
        name: tuple(None if name not in found else float(found[name]) for _, found in rows)
        for name in names
    }
    return Table(path, digest, tuple(query for query, _ in rows), labels, frozenset(graded))


def _row(path: str, number: int, line: str) -> tuple[str, dict[str, bool | float]]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise PartError(
            _CODE, f"{path}, line {number}: this is no JSON ({error.msg})", _SHAPE
        ) from None
    if not isinstance(row, dict) or not isinstance(row.get("query"), str):
        raise PartError(_CODE, f'{path}, line {number}: the row has no "query" text', _SHAPE)
    recorded = row.get("recorded", {})
    if not isinstance(recorded, dict):
        raise PartError(_CODE, f'{path}, line {number}: "recorded" is no mapping', _SHAPE)
    found = {name: _label(path, number, name, outcome) for name, outcome in recorded.items()}
    return row["query"], {name: value for name, value in found.items() if value is not None}


def _label(path: str, number: int, name: str, outcome: Any) -> bool | float | None:  # noqa: ANN401
    if not isinstance(outcome, dict):
        raise PartError(_CODE, f"{path}, line {number}: `{name}` has no outcome", _SHAPE)
    value = outcome.get("correct", outcome.get("score"))
    if value is None:
        return None
    if not isinstance(value, bool | int | float) or not math.isfinite(value):
        said = json.dumps(value)
        raise PartError(_CODE, f"{path}, line {number}: `{name}` is labelled {said}", _SHAPE)
    return value
