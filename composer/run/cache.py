"""The cache of answers and scores on disk: the same request to the same model costs nothing.

A key is a hash of the content of every model (not its path), of the whole fuse, the prompts and
the sampling options; sampled answers are kept for their seed. A new version of the package starts
with an empty cache, because its arithmetic may differ.
"""

from __future__ import annotations

import dataclasses
import json
from contextlib import suppress
from functools import lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from composer.diagnostics.caches import ANSWERS, NAMES, PACKAGE_VERSION, bound, cache_folder
from composer.diagnostics.secrets import starred_value
from composer.run.result import as_warning
from composer.run.sqlite_store import TextStore
from composer.specs import leaves, prompts
from composer.specs.content import json_digest
from composer.specs.digest import content_now, digest
from composer.values import Completion, Sampling, Score, Span, Usage
from composer.values.details import LikelyToken, TokenChoice

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from composer.diagnostics import Diagnostic
    from composer.specs.digest import Content
    from composer.values import Generate, Model, Query, ScoreTexts

FIELDS = {each.name for each in dataclasses.fields(Completion)} - {"cached", "usage", "choices"}
"""What is kept of an answer as it is; its usage is kept as well."""


class AnswerCache:
    """Answers and scores in one file, shared by all runs of a user. A fault of it stops no run."""

    def __init__(
        self,
        path: Path | None = None,
        limit: int | None = None,
        warn: Callable[[Diagnostic], None] = as_warning,
    ) -> None:
        self._store = TextStore(
            path or cache_path, bound(ANSWERS) if limit is None else limit, warn
        )

    def get(self, key: str) -> Completion | None:
        """Return a kept answer, with the usage that it had when it was made."""
        entry = self._read(key)
        if "text" not in entry:
            return None
        for name in ("tokens", "logprobs"):
            entry[name] = tuple(entry[name])
        entry["spans"] = tuple(Span(**span) for span in entry["spans"])
        entry["usage"] = {name: Usage(*each) for name, each in entry.get("usage", {}).items()}
        entry["choices"] = tuple(_choice(*each) for each in entry.get("choices", ()))
        return Completion(**entry, cached=True)

    def put(self, key: str, completion: Completion) -> None:
        """Keep an answer, unless a plugin put a value into it that JSON cannot hold."""
        entry = {name: getattr(completion, name) for name in FIELDS}
        entry["spans"] = [dataclasses.asdict(span) for span in completion.spans]
        entry |= {name: dict(entry[name]) for name in ("weights", "facts")}
        entry["usage"] = {n: dataclasses.astuple(each) for n, each in completion.usage.items()}
        entry["left"] = starred_value(dict(completion.left))
        if completion.choices:
            entry["choices"] = [[_listed((c.chosen,)), _listed(c.top)] for c in completion.choices]
        with suppress(TypeError, ValueError):
            self._store.put(key, json.dumps(entry))

    def get_score(self, key: str) -> Score | None:
        """Return a kept score."""
        columns = self._read(key).get("score")
        return None if columns is None else Score(*map(tuple, columns))

    def put_score(self, key: str, score: Score) -> None:
        """Keep a score."""
        self._store.put(key, json.dumps({"score": [score.tokens, score.logprobs]}))

    def close(self) -> None:
        """Write what waits, and close the file."""
        self._store.close()

    def _read(self, key: str) -> dict[str, Any]:
        """Return the object that is kept under a key; an empty one where there is none."""
        entry: dict[str, Any] = json.loads(self._store.get(key) or "{}")
        return entry


def _listed(tokens: Sequence[LikelyToken]) -> list[tuple[str, float, int | None]]:
    return [(token.piece.decode("latin-1"), token.logprob, token.id) for token in tokens]


def _choice(chosen: Sequence[Sequence[Any]], top: Sequence[Sequence[Any]]) -> TokenChoice:
    first, *others = (
        LikelyToken(piece.encode("latin-1"), logprob, id_)
        for piece, logprob, id_ in (*chosen, *top)
    )
    return TokenChoice(first, tuple(others))


def open_cache(
    path: Path | None = None, warn: Callable[[Diagnostic], None] | None = None
) -> AnswerCache | None:
    """Open a file of kept answers, by default the user's own; None where its bound is 0.

    A fault of the file is passed to `warn`, by default as a Python warning, and ends the caching.
    """
    limit = bound(ANSWERS)
    return AnswerCache(path, limit, warn or as_warning) if limit else None


def cache_path() -> Path:
    """Return where a user's answers are kept; raises an OSError for a user without a home."""
    return cache_folder() / NAMES[ANSWERS]


def answer_key(request: Generate, content: Content = content_now) -> str:
    """Return the key of an answer: a hash of all that it depends on; greedy work has no seed.

    `content` returns the digest of a declared model. With details of tokens it is another one: an
    answer is then kept with these, but for those of members.
    """
    seed = request.seeds[0] if request.sampling.temperature > 0 else 0
    messages = prompts(request.model, request.query)
    sampling, schema = _sampling(_DRAWN(request.sampling)), request.sampling.schema
    how = [sampling, seed] if schema is None else [sampling, seed, schema.text]
    how += _raw(request.query)
    how += [] if request.detail is None else [repr(request.detail)]
    return _key(_model(request.model, content), messages, how, request.prefix)


def score_key(request: ScoreTexts, text: str | None, content: Content = content_now) -> str:
    """Return the key of a text's score after prompts, or, without a text, of the query's own."""
    if text is None:
        assert request.query is not None
        asked = request.query.messages, *_raw(request.query)
        return _key(_model(request.model, content), asked, None, "")
    messages = None if request.query is None else prompts(request.model, request.query)
    raw = [] if request.query is None else _raw(request.query)
    return _key(_model(request.model, content), messages, text, request.prefix, *raw)


def _raw(query: Query) -> list[str]:
    """Return what tells a query without a chat template from one with it: its own tokens, too."""
    return [repr((query.ids, query.vocabulary))] if query.raw else []


def _key(model: str, *contents: object) -> str:
    """Hash what is asked of a model: texts, numbers and lists of them."""
    return json_digest([PACKAGE_VERSION, model, *contents])


_DRAWN = attrgetter(
    *(each.name for each in dataclasses.fields(Sampling) if each.name not in ("seed", "schema"))
)


@lru_cache(maxsize=256)
def _sampling(values: tuple[object, ...]) -> str:
    """Return a digest of how tokens are drawn, without the seed and the schema."""
    return digest(values)


def _model(model: Model, content: Content) -> str:
    """Return a digest of a model by content; one without files is the same for ever."""
    if any(leaf.is_local for leaf in leaves(model)):
        return digest(model, content)
    return _without_files(model)


@lru_cache(maxsize=256)
def _without_files(model: Model) -> str:
    return digest(model)
