"""The arms of a synthesis: what the panel, and what scores or an analysis of it, are worth.

All arms read one panel, which is asked once a row, so that they differ in nothing else. The rules
of the verdict are those that the authors of vLLM's Semantic Router asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.compiler.graph import GENERATE, topological
from composer.evaluate.graded import is_refused
from composer.evaluate.judge import judge
from composer.evaluate.measured_answers import with_answer
from composer.evaluate.syntheses import synthesis_of
from composer.methods.scorers.placebo import Placebo
from composer.metrics import difference_interval, mean_interval
from composer.run.result import Failure
from composer.steps import STEPS
from composer.steps.branching import CANDIDATES
from composer.steps.ranking import default_scorer
from composer.values import Port

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from composer.compiler.graph import Node
    from composer.evaluate.grading import Grading
    from composer.evaluate.rows import EvaluationRow
    from composer.evaluate.syntheses import Synthesis
    from composer.metrics import Interval
    from composer.recipe import Recipe
    from composer.run import Ensemble, Result
    from composer.values import JSON, Candidates, Text

__all__ = ["ALONE", "AS_IS", "PLAIN", "RANDOM", "Arm", "Arms", "arms_of"]

ALONE, PLAIN, AS_IS, RANDOM = "writer alone", "plain panel", "as it is", "random scores"
"""The arms A, B, C and D: the writer without a panel; the panel without scores and analysis; the
recipe as it is; the recipe with its scores dealt at random."""

PAIRS = ((PLAIN, ALONE), (AS_IS, PLAIN), (AS_IS, RANDOM))
"""Which arms are compared: by how much the first is better."""


@dataclass(frozen=True)
class Arm:
    """How good one arm is, how many calls a row it takes, and on how many rows it failed."""

    accuracy: Interval
    calls: float
    failed: int


@dataclass(frozen=True)
class Arms:
    """All arms of a recipe over the same rows, and the paired differences between them."""

    recipe: str
    rows: int
    arms: Mapping[str, Arm]
    differences: Mapping[tuple[str, str], Interval]
    not_asked: int = 0
    ungraded: int = 0

    @property
    def verdict(self) -> str:
        """KILL_FUSION, KILL_ADDON, KEEP or INCONCLUSIVE."""
        panel = self.differences[PLAIN, ALONE]
        addons = [self.differences[pair] for pair in PAIRS[1:] if pair in self.differences]
        if panel.high < 0:
            return "KILL_FUSION"
        if any(each.high < 0 for each in addons):
            return "KILL_ADDON"
        gains = addons or [panel]
        keep = panel.mean >= 0 and all(each.low > 0 for each in gains)
        return "KEEP" if keep else "INCONCLUSIVE"

    def as_dict(self) -> dict[str, JSON]:
        """Give the plain values that `--json` prints."""
        return {
            "recipe": self.recipe,
            "rows": self.rows,
            "not_asked": self.not_asked,
            "ungraded": self.ungraded,
            "arms": {
                name: {
                    "accuracy": arm.accuracy.mean,
                    "interval": [arm.accuracy.low, arm.accuracy.high],
                    "calls": arm.calls,
                    "failed": arm.failed,
                }
                for name, arm in self.arms.items()
            },
            "differences": [
                {"of": left, "over": right, "difference": one.mean, "interval": [one.low, one.high]}
                for (left, right), one in self.differences.items()
            ],
            "verdict": self.verdict,
        }


def arms_of(
    recipe: Recipe,
    rows: Sequence[EvaluationRow],
    how: Grading,
    on_result: Callable[[Result], None] = lambda _: None,
) -> Arms:
    """Run all arms of a recipe over one panel a row; an arm that fails on a row is wrong there.

    Raises Failure (E712) where the recipe's answer is not written from a panel.
    """
    synthesis = synthesis_of(recipe.fitted.answer)
    if synthesis is None:
        message = f"{recipe.name} has no arms: its answer is not written by one model from a panel"
        help_ = "give a recipe that ends with `[A, B] -> ... -> regenerate(M)`"
        raise Failure("E712", message, help_)
    nodes = _arms(recipe, synthesis)
    graph = recipe.fitted.graph
    bank = graph.node("bank", tuple(nodes.values()), {"names": tuple(nodes), "min": 1})
    held = with_answer(recipe, graph.node("hold", (bank,)))
    with how.ready(held) as ensemble:
        results = []
        for result in ensemble.map([row.question() for row in rows]):
            on_result(result)
            results.append(result)
        steps = _steps_of(ensemble, list(nodes))
    asked = [(row, one) for row, one in zip(rows, results, strict=True) if not is_refused(one)]
    scores = how.each(lambda each: _scores(*each, list(nodes), how), asked)
    graded = [(s, one) for s, (_, one) in zip(scores, asked, strict=True) if None not in s.values()]
    if not graded:
        raise Failure("E712", f"no row of {recipe.name} could be graded", "give `reference`s")
    by_arm = {name: [float(each[name] or 0) for each, _ in graded] for name in nodes}
    return Arms(
        recipe.name,
        len(graded),
        {
            name: Arm(
                mean_interval(by_arm[name]),
                sum(_calls(one, steps[name]) for _, one in graded) / len(graded),
                sum(name not in _texts(one) for _, one in graded),
            )
            for name in nodes
        },
        {
            (left, right): difference_interval(by_arm[left], by_arm[right])
            for left, right in PAIRS
            if left in nodes and right in nodes
        },
        len(rows) - len(asked),
        len(asked) - len(graded),
    )


def _arms(recipe: Recipe, synthesis: Synthesis) -> dict[str, Node]:
    """Return the answer of each arm; those that would equal another one are left out."""
    graph, writer, panel = recipe.fitted.graph, synthesis.writer, synthesis.panel
    shared = writer.values().keys() & STEPS[GENERATE].options.model_fields.keys() - {"draw"}
    options = {name: writer.get(name) for name in shared}
    alone = graph.node(GENERATE, (graph.query, synthesis.model), options)
    plain = synthesis.over(graph, panel, synthesis.plain)
    arms = {ALONE: synthesis.read(graph, alone), PLAIN: plain}
    if synthesis.plain == synthesis.between:
        return arms
    arms[AS_IS] = synthesis.over(graph, panel, synthesis.between)
    scored = [each for each in synthesis.between if each.port is Port.RANKING]
    if scored:
        dealt = [_dealt(recipe, each) if each in scored else each for each in synthesis.between]
        arms[RANDOM] = synthesis.over(graph, panel, dealt)
    return arms


def _dealt(recipe: Recipe, ranking: Node) -> Node:
    """Return a ranking whose scores are dealt at random."""
    judges = any(each.port is Port.MODEL for each in ranking.direct_inputs)
    scorer = ranking.get("by") or default_scorer(judges=judges)
    return recipe.fitted.graph.replaced(ranking, by=Placebo(of=scorer))


def _texts(result: Result) -> dict[str, Text]:
    """Return the answer of each arm that has one."""
    if result.text is None:
        return {}
    answers: Candidates = result.text.facts[CANDIDATES]
    return dict(zip(answers.names, answers.texts, strict=True))


def _scores(
    row: EvaluationRow, result: Result, names: Sequence[str], how: Grading
) -> dict[str, float | None]:
    """Grade the answer of each arm; None where nothing tells how good it is."""
    texts = _texts(result)
    scores: dict[str, float | None] = {}
    for name in names:
        text = texts.get(name)
        answer = None if text is None else text.answer
        writers = () if text is None else (text.source,)
        scores[name] = judge(row, answer, writers, how, replayed=False).score
    return scores


def _steps_of(ensemble: Ensemble, names: Sequence[str]) -> dict[str, set[str]]:
    """Return the ids of the steps behind each arm, as the plan has them."""
    ids = {node: name for name, node in ensemble.steps.items()}
    bank = list(ensemble.steps.values())[-1].direct_inputs[0]
    return {
        name: {ids[node] for node in topological(arm) if node in ids}
        for name, arm in zip(names, bank.direct_inputs, strict=True)
    }


def _calls(result: Result, steps: set[str]) -> int:
    """Count the calls of one arm's steps."""
    events = () if result.trace is None else result.trace.events
    return sum(len(event.asked) for event in events if event.id in steps)
