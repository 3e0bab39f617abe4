"""A model that is made in memory, and measured on rows: its answers, and the references."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from composer.fit.fuses import spaced
from composer.heavy import np
from composer.values import Query, Sampling
from composer.values.requests import Generate, ScoreTexts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from composer.engine.engine import Engine
    from composer.engine.weights.in_memory import InMemory
    from composer.engine.weights.local import LocalModel
    from composer.evaluate import EvaluationRow, Grading
    from composer.methods.estimators.values import Floats
    from composer.specs import Derived
    from composer.specs.models import Checkpoint

__all__ = ["Measured", "Measuring"]

_LOWEST = -30.0
"""A log-probability of a token below it counts as it, so that none is infinite."""


@dataclass(frozen=True)
class Measured:
    """What a model does on rows [row]: grades of its answers, likelihoods of the references."""

    quality: Floats
    likelihood: Floats


@dataclass(frozen=True, eq=False)
class Measuring:
    """Measures models of the same donors, which `memory` makes; `given` is that of the recipe.

    The references of `examples` say whether a space stands before an answer. An answer has at most
    `max_tokens`.
    """

    given: Derived
    memory: InMemory
    how: Grading
    examples: Sequence[EvaluationRow]
    max_tokens: int = field(default=256, kw_only=True)

    def measured(self, model: Derived, rows: Sequence[EvaluationRow]) -> Measured:
        """Let a model answer rows, and grade what it says; let it read the references as well."""
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
        """What stands before an answer: a space, if the recipe's model finds that likelier."""
        texts = [(row.query, row.references[0]) for row in self.examples if row.references]
        with _engine(self.memory.make(self.given)) as engine:

            def total(some: Sequence[tuple[str, str]]) -> float:
                pairs = [(Query.of(query), text) for query, text in some]
                return float(_likelihoods(engine, self.given, pairs).sum())

            return " " if spaced(texts, total)[0][1].startswith(" ") else ""


def _likelihoods(engine: Engine, model: Derived, texts: Iterable[tuple[Query, str]]) -> Floats:
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
