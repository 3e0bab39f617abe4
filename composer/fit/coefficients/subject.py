"""The merge that is searched: made in memory for each point, and measured on rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from composer.compiler.graph import model_of
from composer.fit.fuses import spaced
from composer.fit.settings import not_trainable
from composer.heavy import np
from composer.methods.edits.searched import Space
from composer.specs import Merge
from composer.specs.parts import tensor_places
from composer.values import Fitted, Query, Sampling, State
from composer.values.requests import Generate, ScoreTexts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from composer.compiler.graph import Node
    from composer.engine.engine import Engine
    from composer.engine.weights.in_memory import InMemory
    from composer.engine.weights.local import LocalModel
    from composer.evaluate import EvaluationRow, Grading
    from composer.methods.edits.searched import Searched
    from composer.methods.estimators.values import Floats
    from composer.specs.models import Checkpoint

_LEAST = 0.05
"""Options of an edit are searched from here to 1: with a density of 0 nothing is left."""

__all__ = ["Measured", "Subject", "merge_of"]

_LOWEST = -30.0
"""A log-probability of a token below it counts as it, so that none is infinite."""


@dataclass(frozen=True)
class Measured:
    """What a merge does on rows [row]: grades of its answers, likelihoods of the references."""

    quality: Floats
    likelihood: Floats


def merge_of(part: Searched, node: Node) -> Merge:
    """Return the merge that a node is; raises Mistakes (E509) where the part stands elsewhere."""
    model = model_of(node)
    if not isinstance(model, Merge):
        text = f"`{part.name}` can only be fitted in a `merge`"
        raise not_trainable(text, f"write `merge(..., coefficients = {part.name}())`")
    return model


@dataclass(frozen=True, eq=False)
class Subject:
    """A merge with coefficients that are searched; `memory` makes it.

    The references of `examples` say whether a space stands before an answer. An answer
    has at most `max_tokens`.
    """

    part: Searched
    model: Merge
    memory: InMemory
    how: Grading
    examples: Sequence[EvaluationRow]
    max_tokens: int = 256

    @cached_property
    def layers(self) -> int:
        """How many layers the model has."""
        places = tensor_places(self.model.tensors)
        return max((place.layers for place in places.values()), default=0)

    @cached_property
    def rows(self) -> int:
        """How many rows its table of coefficients has."""
        return self.part.rows(self.layers)

    def space(self, low: float, high: float) -> Space:
        """Return what is searched, from the coefficients and options of the recipe."""
        own = [getattr(self.model.edit, name) for name in self.part.edit_options]
        start = np.array([*self.model.coefficients[1:] * self.rows, *own], dtype=float)
        count = len(start) - len(own)
        lows, highs = (np.array([low] * count + [_LEAST] * len(own)), np.ones(len(start)))
        highs[:count] = high
        return Space(start, lows, highs, len(self.model.donors))

    def table(self, point: Floats) -> Floats:
        """Return the table [row, member] of coefficients that a point stands for."""
        others = np.asarray(point)[: self.rows * (len(self.model.donors) - 1)].reshape(
            self.rows, -1
        )
        first = sum(self.model.coefficients) - others.sum(1, keepdims=True)
        return np.concatenate([first, others], 1)

    def state(self, point: Floats, **arrays: NDArray[np.generic]) -> State:
        """Return the part's state at a point."""
        table = self.table(point)
        options = np.asarray(point)[table.size - len(table) :]
        found = {"options": options} if len(options) else {}
        facts = {"part": self.part.name, "names": list(self.model.labels)}
        return State({"coefficients": table, **found, **arrays}, facts)

    def at(self, state: State, part: Searched | None = None) -> Merge:
        """Return the merge with a state of the part, or of one with other options."""
        fitted = Fitted.of(self.model.labels, 0, state=state)
        return replace(self.model, by_tensor=(part or self.part).bound(fitted))

    @cached_property
    def given(self) -> Merge:
        """The merge with the coefficients of the recipe."""
        return replace(self.model, by_tensor=None)

    def measured(self, model: Merge, rows: Sequence[EvaluationRow]) -> Measured:
        """Let a merge answer rows, and grade what it says; let it read the references as well."""
        references = self._references(rows)
        local = self.memory.make(model)
        with _engine(local) as engine:
            sampling = Sampling(max_tokens=self.max_tokens)
            jobs = [Generate(model, row.question(), sampling) for row in rows]
            tasks = [engine.task(job, None) for job in jobs]
            engine.begin(tasks)
            answers = [task.future.result().text.strip() for task in tasks]
            likelihood = _likelihoods(engine, model, references)
        grades = [self.how.grade(*each).score or 0.0 for each in zip(rows, answers, strict=True)]
        return Measured(np.array(grades), likelihood)

    def _references(self, rows: Sequence[EvaluationRow]) -> list[tuple[Query, str]]:
        return [(row.question(), self._before + row.references[0]) for row in rows]

    @cached_property
    def _before(self) -> str:
        """What stands before an answer: a space, if the recipe's merge finds that likelier."""
        texts = [(row.query, row.references[0]) for row in self.examples if row.references]
        with _engine(self.memory.make(self.given)) as engine:

            def total(some: Sequence[tuple[str, str]]) -> float:
                pairs = [(Query.of(query), text) for query, text in some]
                return float(_likelihoods(engine, self.given, pairs).sum())

            return " " if spaced(texts, total)[0][1].startswith(" ") else ""


def _likelihoods(engine: Engine, model: Merge, texts: Iterable[tuple[Query, str]]) -> Floats:
    """Return the mean log-probability of a token of each answer to its question."""
    futures = [engine.score(ScoreTexts(model, query, (text,)), text) for query, text in texts]
    return np.array([max(future.result().mean, _LOWEST) for future in futures])


def _engine(local: LocalModel) -> Engine:
    """Return an engine that has one model, which is in memory already."""
    from composer.engine.engine import Engine

    def loaded(model: Checkpoint, device: str) -> LocalModel:
        del model, device
        return local

    return Engine(loader=loaded)
