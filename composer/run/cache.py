"""Answers and scores kept on disk, by what was asked of whom; asking again costs nothing.

A key holds the content of every model (not its path), the whole group that writes, the prompts
and how tokens are drawn; sampled work is kept for its seed. A new version of the package starts
anew, since its arithmetic may differ.
"""

from __future__ import annotations

import dataclasses
import json
import sqlite3
from typing import TYPE_CHECKING

from composer.ports import Completion, Score, Span
from composer.run.result import Failure
from composer.specs import prompts
from composer.specs.digest import digest
from composer.words.caches import PACKAGE_VERSION, cache_folder

if TYPE_CHECKING:
    from pathlib import Path

    from composer.ports import Generate, Model, ScoreTexts

FILE = "answers.sqlite"


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

    def get(self, key: str) -> Completion | None:
        """Return a kept answer."""
        row = self._table.execute("SELECT made FROM answers WHERE key = ?", (key,)).fetchone()
        if row is None:
            return None
        kept = json.loads(row[0])
        for name in ("tokens", "logprobs"):
            kept[name] = tuple(kept[name])
        kept["spans"] = tuple(Span(**span) for span in kept["spans"])
        return Completion(**kept, cached=True)

    def put(self, key: str, made: Completion) -> None:
        """Keep an answer."""
        named = {each.name: getattr(made, each.name) for each in dataclasses.fields(made)}
        plain = {n: v for n, v in named.items() if n not in ("cached", "usage")}
        plain["spans"] = [dataclasses.asdict(span) for span in made.spans]
        plain |= {n: dict(named[n]) for n in ("left", "weights", "facts")}
        self._table.execute(
            "INSERT OR REPLACE INTO answers VALUES (?, ?)", (key, json.dumps(plain))
        )

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


def answer_key(request: Generate) -> str:
    """Return the key of an answer: a hash of all that it depends on; greedy work has no seed."""
    how = dataclasses.asdict(request.sampling)
    how["seed"] = request.seeds[0] if request.sampling.temperature > 0 else 0
    return _key(request.model, prompts(request.model, request.query), how, request.prefix)


def score_key(request: ScoreTexts, text: str | None) -> str:
    """Return the key of a text's score after prompts, or, without a text, of the query's own."""
    if text is None:
        assert request.query is not None
        return _key(request.model, (request.query.messages,), None, "")
    asked = None if request.query is None else prompts(request.model, request.query)
    return _key(request.model, asked, text, request.prefix)


def _key(model: Model, *asked: object) -> str:
    return digest((PACKAGE_VERSION, model, *asked))
