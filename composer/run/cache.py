"""Answers and scores kept on disk, by what was asked of whom; asking again costs nothing.

A key holds the content of every model (not its path), the whole group that writes, the prompts
and how tokens are drawn; sampled work is kept for its seed. A new version of the package starts
anew, since its arithmetic may differ.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import sqlite3
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from composer.ports import Score
from composer.run.result import Failure
from composer.words.caches import PACKAGE_VERSION, cache_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from composer.ports import Model, Sampling, Usage

Prompts = tuple[tuple[tuple[str, str], ...], ...]

FILE = "answers.sqlite"
NAMES = ("key", "name", "folder", "device")
"""What says where a model lies and how it is called; what it is, its content says."""


@dataclass(frozen=True, slots=True)
class Made:
    """An answer as models made it, before it belongs to a query: its text, tokens and what it cost.

    `confidence` and `logprobs` are as in `Text`; `usage` counts by the names of the models;
    `cached` says that it was kept from an earlier run and cost nothing now.
    """

    text: str
    tokens: tuple[str, ...] = ()
    logprobs: tuple[float, ...] = ()
    confidence: float | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    usage: dict[str, Usage] = field(default_factory=dict)
    spans: list[dict[str, Any]] = field(default_factory=list)
    extracted: bool = False
    value: str | None = None
    cached: bool = False


class AnswerCache:
    """A table of answers in one SQLite file, shared by all runs of a user."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._table = sqlite3.connect(
            path, timeout=10, isolation_level=None, check_same_thread=False
        )
        self._table.execute("PRAGMA journal_mode = WAL")
        self._table.execute("PRAGMA synchronous = NORMAL")
        for name in ("answers", "scores"):
            self._table.execute(
                f"CREATE TABLE IF NOT EXISTS {name} (key TEXT PRIMARY KEY, made TEXT)"
            )

    def get(self, key: str) -> Made | None:
        """Return a kept answer."""
        row = self._table.execute("SELECT made FROM answers WHERE key = ?", (key,)).fetchone()
        if row is None:
            return None
        kept = json.loads(row[0])
        tokens, logprobs = tuple(kept.pop("tokens")), tuple(kept.pop("logprobs"))
        return Made(**kept, tokens=tokens, logprobs=logprobs, cached=True)

    def put(self, key: str, made: Made) -> None:
        """Keep an answer."""
        text = json.dumps(
            {n: v for n, v in dataclasses.asdict(made).items() if n not in ("cached", "usage")}
        )
        self._table.execute("INSERT OR REPLACE INTO answers VALUES (?, ?)", (key, text))

    def get_score(self, key: str) -> Score | None:
        """Return a kept score."""
        row = self._table.execute("SELECT made FROM scores WHERE key = ?", (key,)).fetchone()
        return None if row is None else Score(*(tuple(each) for each in json.loads(row[0])))

    def put_score(self, key: str, score: Score) -> None:
        """Keep a score."""
        text = json.dumps([score.tokens, score.logprobs])
        self._table.execute("INSERT OR REPLACE INTO scores VALUES (?, ?)", (key, text))

    def close(self) -> None:
        """Close the file."""
        self._table.close()


def open_cache(path: Path) -> AnswerCache:
    """Open a file of kept answers; raises Failure where that cannot be done."""
    try:
        return AnswerCache(path)
    except (OSError, sqlite3.Error) as error:
        text = f"answers cannot be kept in {path}: {error}"
        help_ = "run with `--no-cache`, name another `XDG_CACHE_HOME`, or remove that file"
        raise Failure("E710", text, help_) from error


def cache_path() -> Path:
    """Return where a user's answers are kept."""
    return cache_folder() / FILE


def answer_key(model: Model, prompts: Prompts, sampling: Sampling) -> str:
    """Return the key of an answer: a hash of all that it depends on."""
    return _key(model, prompts, _drawn(sampling))


def score_key(model: Model, prompts: Prompts | None, text: str | None) -> str:
    """Return the key of a text's score after prompts, or, without a text, of a prompt's own."""
    return _key(model, prompts, text)


def _key(model: Model, *asked: object) -> str:
    contents = [leaf.source.content() for leaf in leaves(model) if leaf.source is not None]
    parts = [PACKAGE_VERSION, contents, _plain(model.member), *asked]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def leaves(model: Model) -> Iterator[Model]:
    """Yield the declared models that a model is made of."""
    if not model.members:
        yield model
    for member in model.members:
        yield from leaves(member)


def _drawn(sampling: Sampling) -> dict[str, Any]:
    """Return how tokens are drawn; greedy work has no seed."""
    values = dataclasses.asdict(sampling)
    return values if sampling.temperature > 0 else values | {"seed": 0}


def _plain(member: Any) -> Any:  # noqa: ANN401 - a group, or what it is made of
    """Write a group as JSON can, without what only names its models."""
    if dataclasses.is_dataclass(member):
        fields = [each.name for each in dataclasses.fields(member) if each.name not in NAMES]
        return [type(member).__name__, {name: _plain(getattr(member, name)) for name in fields}]
    if isinstance(member, tuple):
        return [_plain(each) for each in member]
    return member if isinstance(member, str | int | float | bool | None) else ""
