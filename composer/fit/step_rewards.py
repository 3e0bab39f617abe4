"""The trainer of `step_reward`: steps are as good as the answers to which they can be continued."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pydantic import PrivateAttr

from composer.compiler.fits.learners import names_of
from composer.diagnostics.amounts import counted
from composer.fit.answers import quality_of_answer
from composer.fit.settings import TrainingResult, not_trainable
from composer.heavy import np
from composer.methods import StepReward
from composer.methods.rewards.learned import StepHead, step_features
from composer.methods.rewards.perplexity import step_scores
from composer.metrics.ranks import area_under_roc
from composer.values import Generate, Sampling, Text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from composer.compiler.graph import Node
    from composer.evaluate import EvaluationRow, Grading
    from composer.fit.settings import FitSettings
    from composer.methods.rewards.base import Partials
    from composer.recipe import Recipe
    from composer.values import Asker, State

_FEWEST = 4
_HALF = 0.5
_TEMPERATURE = 0.7
"""How continuations are drawn where the step itself is greedy."""


@dataclass(frozen=True, slots=True)
class TriedStep:
    """A step: its features, and the whole answers to which it was continued."""

    features: list[float]
    wholes: tuple[Text, ...]


class Exploring(StepReward):
    """Rewards at random, so that a search goes anywhere; each step is continued to the end."""

    draws: int
    sampling: Sampling

    _tried: dict[str, list[TriedStep]] = PrivateAttr(default_factory=dict)

    @property
    def tried(self) -> Mapping[str, list[TriedStep]]:
        """The steps that were tried, by the id of their question."""
        return self._tried

    async def rewards(self, partials: Partials, ask: Asker) -> Sequence[float]:
        """Try all steps, and return random numbers."""
        query, answers = partials.query, partials.answers
        scores = await step_scores(partials, ask)
        open_ = [each for each in answers if not each.over]
        requests = [
            Generate(writer, query, self.sampling, each.text, self.draws)
            for each in open_
            for writer in partials.writers
        ]
        generated = zip(requests, await ask.many(requests), strict=True)
        ends: dict[str, list[Text]] = {}
        for request, reply in generated:
            ends.setdefault(request.prefix, []).extend(
                Text(query, request.prefix + draw.text, request.model.name) for draw in reply.draws
            )
        for partial, row in zip(answers, scores, strict=True):
            own = (Text(query, partial.text, partial.by),)
            wholes = own if partial.over else tuple(ends[partial.text])
            tried = TriedStep(step_features(partial, row), wholes)
            self._tried.setdefault(query.root.id, []).append(tried)
        return [ask.rng.random() for _ in answers]


def train_step_head(part: StepHead, node: Node, settings: FitSettings) -> TrainingResult:
    """Try steps of answers to all rows with a reference, and fit the model on what they led to.

    It is measured on rows that it was not fitted on. Raises Mistakes (E509) where there are too few
    rows, or all steps lead to right answers, or none.
    """
    from composer.evaluate import read_rows
    from composer.evaluate.grading import opened

    rows = [row for row in read_rows(settings.data) if row.references]
    if len(rows) < max(_FEWEST, settings.folds):
        text = f"{counted(len(rows), 'row')} with a reference are too few to fit `{part.name}`"
        raise not_trainable(text, f"give {max(_FEWEST, settings.folds)} or more")
    settings.tell(f"trying steps of answers to {counted(len(rows), 'question')}")
    with opened(settings.how) as how:
        how.check(rows)
        tried = _tried(part, node, settings, rows)
        table = [_labelled(row, tried.get(row.id, ()), how) for row in rows]
    state = _fitted(part, [each for steps in table for each in steps])
    report = {"rows": len(rows), **_facts(table), "held_out": _held_out(part, table, settings)}
    return TrainingResult(names_of(node), len(rows), {"state": state}, report)


Labelled = tuple[list[float], float]
"""The features of a step, and the share of its continuations that are right."""


def _tried(
    part: StepHead, node: Node, settings: FitSettings, rows: Sequence[EvaluationRow]
) -> Mapping[str, Sequence[TriedStep]]:
    """Run the search on every row with random rewards; return the steps that it came to."""
    temperature = node.get("temperature") or _TEMPERATURE
    how = Sampling(temperature, max_tokens=node.get("depth") * node.get("max_tokens"))
    exploring = Exploring(draws=part.draws, sampling=how)
    with _exploring(settings.recipe, node, exploring).ready() as ensemble:
        for _ in ensemble.in_order(row.question() for row in rows):
            pass
    return exploring.tried


def _exploring(recipe: Recipe, node: Node, exploring: Exploring) -> Recipe:
    """Return the recipe of a search alone, with another reward."""
    compiled = recipe.compiled
    options = {**node.values(), "reward": exploring}
    answer = compiled.graph.node(node.op, node.inputs, options)
    return replace(recipe, compiled=replace(compiled, answer=answer), path=None)


def _labelled(row: EvaluationRow, steps: Sequence[TriedStep], how: Grading) -> list[Labelled]:
    def quality(text: Text) -> float:
        return quality_of_answer(row, text, (text.source,), how) or 0.0

    return [
        (step.features, float(np.mean([quality(each) for each in step.wholes]))) for step in steps
    ]


def _fitted(part: StepHead, steps: Sequence[Labelled]) -> State:
    shares = [share for _, share in steps]
    if not 0 < sum(shares) < len(shares):
        which = "all" if sum(shares) else "none"
        text = f"{which} of {counted(len(shares), 'step')} led to a right answer"
        raise not_trainable(
            f"{text}, so `{part.name}` has nothing to tell apart",
            "check the references and the grader, or give harder or easier questions",
        )
    return part.fit([features for features, _ in steps], shares)


def _facts(table: Sequence[Sequence[Labelled]]) -> dict[str, object]:
    shares = [share for steps in table for _, share in steps]
    return {"steps": len(shares), "good": float(np.mean(shares))}


def _held_out(
    part: StepHead, table: Sequence[Sequence[Labelled]], settings: FitSettings
) -> dict[str, float | None]:
    """Return how well steps of rows that the model was not fitted on are told apart."""
    chances, labels = [], []
    for fold in range(settings.folds):
        rest = [
            each for at, steps in enumerate(table) if at % settings.folds != fold for each in steps
        ]
        own = [each for steps in table[fold :: settings.folds] for each in steps]
        if not own or not 0 < sum(share for _, share in rest) < len(rest):
            continue
        state = part.fit([features for features, _ in rest], [share for _, share in rest])
        chances += part.probabilities(state, [features for features, _ in own]).tolist()
        labels += [share >= _HALF for _, share in own]
    auc = area_under_roc(chances, labels)
    right = [(chance >= _HALF) == label for chance, label in zip(chances, labels, strict=True)]
    return {"auc": None if np.isnan(auc) else auc, "accuracy": float(np.mean(right))}
