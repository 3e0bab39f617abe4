"""The trainer of coefficients that are found by trying points: each is scored on rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.fit.coefficients.history import kept_history
from composer.fit.coefficients.opening import history_name, open_subject
from composer.fit.coefficients.reports import begins, result_of
from composer.fit.coefficients.subject import merge_of
from composer.fit.settings import TrainingResult, not_trainable
from composer.heavy import np
from composer.methods.edits.searched import query_digests

if TYPE_CHECKING:
    from collections.abc import Callable

    from composer.compiler.graph import Node
    from composer.fit.coefficients.history import History
    from composer.fit.settings import FitSettings
    from composer.methods.edits.paths import Paths
    from composer.methods.edits.searched import PointSearch, Space
    from composer.methods.estimators.values import Floats

__all__ = ["Found", "train_points", "tried"]


@dataclass(frozen=True)
class Found:
    """What a search found: the point, and the scores of all that were tried, in order."""

    point: Floats
    scores: tuple[float, ...]


def train_points(part: PointSearch, node: Node, settings: FitSettings) -> TrainingResult:
    """Search on four fifths of the rows with references, and measure what was found on the others.

    (As many as `folds` says.) Raises Mistakes (E509) where there are too few rows.
    """
    model = merge_of(part, node)
    with open_subject(part, model, settings) as (subject, rows, held):
        space = subject.space(*part.limits())
        if not len(space.start):
            raise not_trainable(f"`{part.name}` has nothing to search in a merge of one model")

        def score(point: Floats) -> float:
            measured = subject.measured(subject.at(subject.state(point)), rows)
            return part.score(measured.quality, measured.likelihood, [row.tags for row in rows])

        name = history_name(part, model, settings) if settings.cache else None
        with kept_history(name) as history:
            settings.tell(begins(part, rows, history))
            found = tried(part, space, score, settings.seed, history)
        state = subject.state(
            found.point, queries=query_digests(row.query for row in (*rows, *held))
        )
        return result_of(subject, state, found.scores, rows, held, settings)


def tried(
    part: PointSearch | Paths,
    space: Space,
    score: Callable[[Floats], float],
    seed: int,
    history: History,
) -> Found:
    """Run a search; scores of points that the history has are taken from there."""
    points = part.points(space, seed)
    steps: list[Floats] = []
    scores: list[float] = []
    try:
        point = next(points)
        while True:
            scores.append(_scored(np.asarray(point), len(steps), score, history))
            steps.append(np.asarray(point))
            point = points.send(scores[-1])
    except StopIteration as end:
        chosen = end.value
    best = steps[int(np.argmax(scores))] if chosen is None else chosen
    return Found(best, tuple(scores))


def _scored(point: Floats, place: int, score: Callable[[Floats], float], history: History) -> float:
    """Return the score of a point: from the history if it has the same point there."""
    written = point.tolist()
    if place < len(history.entries):
        entry = history.entries[place]
        if entry.get("point") == written:
            return float(entry["score"])
        history.cut(place)
    value = score(point)
    history.add(point=written, score=value)
    return value
