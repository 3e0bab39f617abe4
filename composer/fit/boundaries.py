"""The trainer of `learned_boundary`: the members of a span fuse read references, word by word."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

from composer.compiler.graph import model_of
from composer.engine.sessions.span_parts import SpanText, margin_of
from composer.fit.fuses import reference_texts
from composer.fit.settings import TrainingResult, not_trainable
from composer.heavy import np, sklearn
from composer.methods.spans.adaptive import margin_at
from composer.methods.spans.learned import FEATURES, LearnedBoundary, features
from composer.methods.spans.words import words
from composer.specs import SpanFuse, leaves
from composer.values import Query, ScoreTexts, State
from composer.values.details import TokenDetail
from composer.values.finite import summed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from composer.compiler.graph import Node
    from composer.engine.engine import Engine
    from composer.fit.settings import FitSettings
    from composer.values import Score

__all__ = ["train_boundary"]

_CLEARLY = math.log(2)  # nats
_FEWEST = 5  # words of each label
_TRIED = 16  # texts that are read with and without a space before them

Reading = tuple[SpanText, "Score"]
Example = tuple["Sequence[float]", bool]


def train_boundary(part: LearnedBoundary, node: Node, settings: FitSettings) -> TrainingResult:
    """Fit the classifier on the words of the data's references."""
    fuse = model_of(node)
    if not isinstance(fuse, SpanFuse) or not all(leaf.is_local for leaf in leaves(fuse)):
        text = f"`{part.name}` is fitted on a `span_fuse` of local models"
        raise not_trainable(text, "declare its models with `hf` or `zoo`")
    texts = reference_texts(settings)
    examples = [each for read in _read(fuse, texts) for each in _examples(part, read)]
    inputs = np.array([each for each, _ in examples]).reshape(-1, len(FEATURES))
    labels = np.array([label for _, label in examples], dtype=bool)
    if min(labels.sum(), (~labels).sum()) < _FEWEST:
        text = "the references do not have enough words at which another member takes over"
        raise not_trainable(text, "use longer references, and members that are different")
    state = State({"w": _fitted(inputs, labels)}, {"part": part.name, "features": list(FEATURES)})
    report = {"words": len(labels), "changes": round(float(labels.mean()), 4)}
    return TrainingResult(fuse.names, len(texts), {"state": state}, report)


def _fitted(inputs: NDArray[np.float64], labels: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the coefficients of the features, and the constant, by logistic regression."""
    scaler = sklearn.preprocessing.StandardScaler().fit(inputs)
    model = sklearn.linear_model.LogisticRegression().fit(scaler.transform(inputs), labels)
    slopes = model.coef_[0] / scaler.scale_
    return np.append(slopes, model.intercept_[0] - slopes @ scaler.mean_)


def _read(fuse: SpanFuse, texts: Sequence[tuple[str, str]]) -> Iterator[list[Reading]]:
    """Yield what each member makes of each reference, as it is written after the question."""
    from composer.engine.engine import Engine

    with Engine() as engine:
        first = [_readings(engine, fuse, q, s + a) for s in ("", " ") for q, a in texts[:_TRIED]]
        totals = [sum(score.total for _, score in read) for read in first]
        half = len(first) // 2
        space = " " if sum(totals[half:]) > sum(totals[:half]) else ""
        for query, answer in texts:
            yield _readings(engine, fuse, query, space + answer)


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
