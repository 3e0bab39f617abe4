"""The trainer of `learned_boundary`: the members of a span fuse read references, word by word."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

from composer.engine.sessions.span_parts import SpanText, margin_of
from composer.fit.fuses import local_span_fuse, reference_texts, spaced
from composer.fit.logistic import logistic
from composer.fit.settings import TrainingResult, not_trainable
from composer.heavy import np
from composer.methods.spans.adaptive import margin_at
from composer.methods.spans.learned import FEATURES, LearnedBoundary, features
from composer.methods.spans.words import words
from composer.values import Query, ScoreTexts, State
from composer.values.details import TokenDetail
from composer.values.finite import summed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from composer.compiler.graph import Node
    from composer.engine.engine import Engine
    from composer.fit.settings import FitSettings
    from composer.specs import SpanFuse
    from composer.values import Score

__all__ = ["train_boundary"]

_CLEARLY = math.log(2)  # nats
_FEWEST = 5  # words of each label

Reading = tuple[SpanText, "Score"]
Example = tuple["Sequence[float]", bool]


def train_boundary(part: LearnedBoundary, node: Node, settings: FitSettings) -> TrainingResult:
    """Fit the classifier on the words of the data's references."""
    fuse = local_span_fuse(part, node)
    texts = reference_texts(settings)
    examples = [each for read in _read(fuse, texts) for each in _examples(part, read)]
    inputs = np.array([each for each, _ in examples]).reshape(-1, len(FEATURES))
    labels = np.array([label for _, label in examples], dtype=bool)
    if min(labels.sum(), (~labels).sum()) < _FEWEST:
        text = "the references do not have enough words at which another member takes over"
        raise not_trainable(text, "use longer references, and members that are different")
    weights = np.append(*logistic(inputs, labels))
    state = State({"w": weights}, {"part": part.name, "features": list(FEATURES)})
    report = {"words": len(labels), "changes": round(float(labels.mean()), 4)}
    return TrainingResult(fuse.names, len(texts), {"state": state}, report)


def _read(fuse: SpanFuse, texts: Sequence[tuple[str, str]]) -> Iterator[list[Reading]]:
    """Yield what each member makes of each reference, as it is written after the question."""
    from composer.engine.engine import Engine

    with Engine() as engine:

        def total(some: Sequence[tuple[str, str]]) -> float:
            return sum(read.total for each in some for _, read in _readings(engine, fuse, *each))

        for query, answer in spaced(texts, total):
            yield _readings(engine, fuse, query, answer)


def _readings(engine: Engine, fuse: SpanFuse, query: str, text: str) -> list[Reading]:
    detail = TokenDetail(top=2)
    requests = [ScoreTexts(m, Query.of(query), (text,), detail=detail) for m in fuse.members]
    futures = [engine.score(request, text) for request in requests]
    return [_reading(future.result()) for future in futures]


def _reading(score: Score) -> Reading:
    span = SpanText()
    for choice in score.choices:
        span.add(choice.chosen.piece, margin_of(choice))
    return span, score


def _examples(part: LearnedBoundary, readings: Sequence[Reading]) -> Iterator[Example]:
    """Yield the features behind each word of one text, and whether another member takes over."""
    found = list(words(readings[0][0].text))
    ends = [*(word.end for word in found), len(readings[0][0].text)]
    places = list(pairwise([0, *ends]))
    chances = [[_logprob(*read, *place) for read in readings] for place in places]
    count = 0
    for word, now, then in zip(found, chances, chances[1:], strict=False):
        count += 1
        best = max(range(len(now)), key=now.__getitem__)
        changes = max(then) - then[best] > _CLEARLY
        yield features(word, count, margin_at(part, readings[best][0], word.end)), changes
        count = 0 if changes else count


def _logprob(span: SpanText, score: Score, start: int, end: int) -> float:
    """Return the log-probability of the tokens that begin between two places of a text."""
    pairs = zip(span.starts, score.logprobs, strict=True)
    return summed([own for at, own in pairs if at is not None and start <= at < end])
