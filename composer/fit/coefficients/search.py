"""The trainer of coefficients that are found by trying points: each is scored on rows."""

from __future__ import annotations

import random
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.diagnostics.amounts import counted
from composer.diagnostics.caches import PACKAGE_VERSION
from composer.fit.coefficients.history import kept_history
from composer.fit.coefficients.subject import Subject, merge_of
from composer.fit.settings import TrainingResult, not_trainable
from composer.fit.validation import triple
from composer.heavy import np
from composer.methods.edits.searched import query_digests
from composer.metrics import difference_interval, mean_interval
from composer.specs.content import file_digest, json_digest
from composer.specs.digest import canonical

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from composer.compiler.graph import Node
    from composer.evaluate import EvaluationRow
    from composer.fit.coefficients.history import History
    from composer.fit.settings import FitSettings
    from composer.methods.edits.searched import PointSearch, Searched, Space
    from composer.methods.estimators.values import Floats
    from composer.specs import Merge
    from composer.values import State

__all__ = ["Found", "history_name", "open_subject", "result_of", "split", "train_points", "tried"]

_FEWEST = 10
_FORM = "points"
"""Names the form of the histories; another form does not read these."""


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
            settings.tell(_begins(part, rows, history))
            found = tried(part, space, score, settings.seed, history)
        state = subject.state(
            found.point, queries=query_digests(row.query for row in (*rows, *held))
        )
        return result_of(subject, state, found.scores, rows, held, settings)


def tried(
    part: PointSearch,
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


@contextmanager
def open_subject(
    part: Searched, model: Merge, settings: FitSettings, *, labelled: bool = True
) -> Iterator[tuple[Subject, list[EvaluationRow], list[EvaluationRow]]]:
    """Open the merge in memory; give it with the rows to search on, and those to measure it on.

    Rows without a reference are left out where they have to be `labelled`.
    """
    from composer.engine.weights.in_memory import InMemory
    from composer.evaluate import read_rows
    from composer.evaluate.grading import opened

    rows = [row for row in read_rows(settings.data) if row.references or not labelled]
    if len(rows) < _FEWEST:
        kind = "with a reference are" if labelled else "are"
        text = f"{counted(len(rows), 'row')} {kind} too few to fit `{part.name}`"
        raise not_trainable(text, f"give {_FEWEST} or more")
    some, held = split(rows, settings)
    with opened(settings.how) as how, InMemory(model, _device(model)) as memory:
        how.check(rows)
        yield Subject(part, model, memory, how, rows), some, held


def split(
    rows: Sequence[EvaluationRow], settings: FitSettings
) -> tuple[list[EvaluationRow], list[EvaluationRow]]:
    """Return the rows to search on and those that are left out, drawn by the seed."""
    shuffled = list(rows)
    random.Random(settings.seed).shuffle(shuffled)
    count = max(1, len(shuffled) // settings.folds)
    return shuffled[count:], shuffled[:count]


def history_name(part: Searched, model: Merge, settings: FitSettings) -> str:
    """Name the history of a search by all that its points and scores depend on."""
    from composer.evaluate.grading import opened

    with opened(settings.how) as how:
        identity = how.identity
    data = [file_digest(settings.data), settings.seed, settings.folds, identity]
    return json_digest([PACKAGE_VERSION, _FORM, part.name, canonical(model), *data])


def result_of(  # noqa: PLR0913 - what was found, and on what
    subject: Subject,
    state: State,
    scores: Sequence[float],
    rows: Sequence[EvaluationRow],
    held: Sequence[EvaluationRow],
    settings: FitSettings,
) -> TrainingResult:
    """Measure what was found beside the recipe's own coefficients, on the rows left out."""
    held = [row for row in held if row.references]
    ours, given = (
        subject.measured(model, held).quality.tolist() if held else []
        for model in (subject.at(state), subject.given)
    )
    report: dict[str, object] = {
        "history": [round(score, 6) for score in scores],
        "coefficients": np.round(state.arrays["coefficients"], 4).tolist(),
        "members": list(subject.model.labels),
    }
    if "options" in state.arrays:
        values = np.round(state.arrays["options"], 4).tolist()
        report["options"] = dict(zip(subject.part.edit_options, values, strict=True))
    if held:
        report["held_out"] = {
            "searched": triple(mean_interval(ours, seed=settings.seed)),
            "given": triple(mean_interval(given, seed=settings.seed)),
            "over_given": triple(difference_interval(ours, given, seed=settings.seed)),
        }
    return TrainingResult(subject.model.labels, len(rows), {"state": state}, report)


def _begins(part: Searched, rows: Sequence[EvaluationRow], history: History) -> str:
    known = len(history.entries)
    text = f"`{part.name}` tries merges on {counted(len(rows), 'question')}"
    return (
        f"{text}; {counted(known, 'score')} of an earlier fit taken from the cache"
        if known
        else text
    )


def _device(model: Merge) -> str:
    """Return where the merge is searched: where it runs, on a GPU if there is one."""
    from composer.heavy import torch

    wish = model.weights.device
    return ("cuda" if torch.cuda.is_available() else "cpu") if wish == "auto" else wish
