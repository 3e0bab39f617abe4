"""The trainer of `roles`: whole conversations are held with candidate heads, and the best live on.

What a member replies to a prompt is asked once and kept: a head only chooses among prompts.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar, cast

from composer.compiler.graph import model_of
from composer.diagnostics.amounts import counted
from composer.fit.answers import quality_of_answer
from composer.fit.evolution import default_population, sep_cma_es
from composer.fit.settings import TrainingResult, not_trainable
from composer.fit.validation import triple
from composer.heavy import np
from composer.methods.coordinators.base import names_of
from composer.methods.coordinators.roles import ROLES, Roles, extras
from composer.metrics import difference_interval, mean_interval
from composer.run.engine_host import EngineHost
from composer.steps.coordinating import coordinate
from composer.values import Fitted, MissingAnswer, State, Text
from composer.values.gather import attempt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from composer.compiler.graph import Node
    from composer.evaluate import EvaluationRow, Grading
    from composer.fit.settings import FitSettings
    from composer.methods.estimators.values import Floats
    from composer.run import Ensemble
    from composer.values import Asker, Model, Query, Sampling

T = TypeVar("T")

_FEWEST = 10
_SIGMA = 0.5


def train_roles(part: Roles, node: Node, settings: FitSettings) -> TrainingResult:
    """Fit the head on four fifths of the rows, and say how well it does on the others.

    (As many as `folds` says.) Raises Mistakes (E509) where there are too few rows with a reference,
    or the step does not stand right behind the question.
    """
    from composer.evaluate import read_rows
    from composer.evaluate.grading import opened

    if node.op != coordinate.name or not node.direct_inputs[0].is_query:
        text = f"`{part.name}` can only be fitted in a `coordinate` that is given the question"
        raise not_trainable(text, "write `coordinate(A, B, by = roles())`")
    rows = [row for row in read_rows(settings.data) if row.references]
    if len(rows) < _FEWEST:
        text = f"{counted(len(rows), 'row')} with a reference are too few to fit `{part.name}`"
        raise not_trainable(text, f"give {_FEWEST} or more")
    models = tuple(map(model_of, node.direct_inputs[1:]))
    random.Random(settings.seed).shuffle(rows)
    held = max(1, len(rows) // settings.folds)
    with opened(settings.how) as how, ExitStack() as stack:
        how.check(rows)
        host = EngineHost()
        stack.callback(host.close)
        members = tuple(_ready(settings, node, at, host, stack) for at in range(len(models)))
        school = _School(part, node, models, _Replies(members), how, settings.seed)
        settings.tell(f"`{part.name}` holds conversations about {counted(len(rows), 'question')}")
        return asyncio.run(school.train(rows[held:], rows[:held]))


def _ready(
    settings: FitSettings, node: Node, member: int, host: EngineHost, stack: ExitStack
) -> Ensemble:
    """Open one member, as a recipe in which it answers by itself."""
    compiled = settings.recipe.compiled
    query, *models = node.direct_inputs
    options = {"temperature": node.get("temperature"), "max_tokens": node.get("max_tokens")}
    answer = compiled.graph.node("generate", (query, models[member]), options)
    recipe = replace(settings.recipe, compiled=replace(compiled, answer=answer), path=None)
    return stack.enter_context(recipe.ready(engine=host))


@dataclass(eq=False)
class _Replies:
    """What members have replied, by member and prompt; each is asked once."""

    members: Sequence[Ensemble]
    tasks: dict[object, asyncio.Task[Text]] = field(default_factory=dict)

    async def of(self, member: int, query: Query) -> Text:
        """Return a member's reply to a prompt; raises what the member raised."""
        key = member, query.messages
        if key not in self.tasks:
            self.tasks[key] = asyncio.ensure_future(self._ask(member, query))
        return await self.tasks[key]

    async def _ask(self, member: int, query: Query) -> Text:
        result = await self.members[member].ask(query)
        assert result.text is not None
        return result.text


class _Pupil:
    """Asks for one conversation of a candidate, as far as it asks: replies are those kept."""

    def __init__(self, names: Sequence[str], replies: _Replies, seed: str) -> None:
        self._names, self._replies = names, replies
        self._rng = random.Random(seed)
        self.calls = 0

    @property
    def rng(self) -> random.Random:
        """Draws of one question, the same for all candidates."""
        return self._rng

    async def generate(
        self, model: Model, query: Query, sampling: Sampling, *, draft: bool = False
    ) -> Text:
        """Return the reply of a member."""
        del sampling, draft
        self.calls += 1
        return await self._replies.of(self._names.index(model.name), query)

    async def compute(self, function: Callable[[], T]) -> T:
        """Compute at once."""
        return function()

    def note(self, **facts: object) -> None:
        """Note nothing."""


@dataclass(eq=False)
class _School:
    """Holds conversations with heads, and grades their answers."""

    part: Roles
    node: Node
    models: Sequence[Model]
    replies: _Replies
    how: Grading
    seed: int
    grades: dict[tuple[str, str], float] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the members."""
        return names_of(self.models)

    async def train(
        self, rows: Sequence[EvaluationRow], held: Sequence[EvaluationRow]
    ) -> TrainingResult:
        """Search for a head on some rows, and measure it on the others."""
        features = self.part.fit_features([row.query for row in rows])
        width = self.part.vector(features, rows[0].query).shape[-1] + extras(len(self.models))
        shape = len(self.models) + len(ROLES), width
        rng = random.Random(self.seed)

        async def losses(candidates: Floats) -> Floats:
            some = rng.sample(rows, min(self.part.batch, len(rows)))
            heads = [self.state(features, each.reshape(shape)) for each in candidates]
            return np.array([await self.loss(head, some) for head in heads])

        size = shape[0] * shape[1]
        found = await sep_cma_es(
            losses,
            np.zeros(size),
            sigma=_SIGMA,
            population=self.part.population or default_population(size),
            generations=self.part.generations,
            seed=self.seed,
        )
        state = self.state(features, found.reshape(shape))
        report = {"rows": len(rows), "held_out": await self.held_out(state, rows, held)}
        return TrainingResult(self.names, len(rows), {"state": state}, report)

    def state(self, features: State, head: Floats) -> State:
        """Return the part's state with this head [member + role, number]."""
        weights = State({"weights": head.astype(np.float32)})
        joined = State.join(features=features, head=weights)
        joined.live.get(("part", "features"), lambda: features)
        facts = {**joined.facts, "part": self.part.name, "names": list(self.names)}
        return State(joined.arrays, facts, joined.live)

    async def loss(self, state: State, rows: Sequence[EvaluationRow]) -> float:
        """Return the mean loss of conversations with a head: their cost minus their quality."""
        outcomes = await self.outcomes(state, rows)
        costs = [self.part.call_cost * calls - quality for quality, calls in outcomes]
        return float(np.mean(costs))

    async def outcomes(
        self, state: State, rows: Sequence[EvaluationRow]
    ) -> list[tuple[float, int]]:
        """Return how good the answers of conversations with a head are, and how many calls."""
        by = self.part.bound(Fitted.of(self.names, len(rows), state=state))
        options = {name: self.node.get(name) for name in ("turns", "calls", "temperature")}

        async def outcome(row: EvaluationRow) -> tuple[float, int]:
            pupil = _Pupil(self.names, self.replies, f"{self.seed}/{row.id}")
            ask = cast("Asker", pupil)
            talk = coordinate(row.question(), *self.models, by=by, ask=ask, **options)
            return self.grade(row, await attempt("", talk)), pupil.calls

        return list(await asyncio.gather(*map(outcome, rows)))

    async def held_out(
        self, state: State, rows: Sequence[EvaluationRow], held: Sequence[EvaluationRow]
    ) -> dict[str, list[float]]:
        """Measure a head beside the member that answers best alone on the rows of the search."""
        alone = [await self.alone(at, rows) for at in range(len(self.models))]
        best = int(np.argmax([np.mean(each) for each in alone]))
        chosen = [quality for quality, _ in await self.outcomes(state, held)]
        single = await self.alone(best, held)
        return {
            "chosen": triple(mean_interval(chosen, seed=self.seed)),
            "best_member": triple(mean_interval(single, seed=self.seed)),
            "over_best_member": triple(difference_interval(chosen, single, seed=self.seed)),
        }

    async def alone(self, member: int, rows: Sequence[EvaluationRow]) -> list[float]:
        """Return how good a member's own answers are."""
        asked = (attempt("", self.replies.of(member, row.question())) for row in rows)
        answers = await asyncio.gather(*asked)
        return [self.grade(row, answer) for row, answer in zip(rows, answers, strict=True)]

    def grade(self, row: EvaluationRow, answer: Text | MissingAnswer) -> float:
        """Grade an answer, each text once; one that failed is worth nothing."""
        if isinstance(answer, MissingAnswer):
            return 0.0
        key = row.id, answer.text
        if key not in self.grades:
            grade = quality_of_answer(row, answer, (answer.source,), self.how)
            self.grades[key] = grade or 0.0
        return self.grades[key]
