"""The best member at equal calls or equal dollars: asked several times, with a vote.

A recipe that asks five models may only be better because it asks five times. So its best member is
asked as often (self-consistency, arXiv:2203.11171), and the same vote is taken. A recipe whose
writer reads a panel is also held against self-fusion (arXiv:2502.00674): the same writer reads
samples of the best member.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from composer.evaluate.measured_answers import measured_answers, with_answer
from composer.evaluate.recipes import asking_options, declarations, model_node, steps_of
from composer.evaluate.syntheses import synthesis_of
from composer.methods import Consensus
from composer.methods.selecting import LearnedSelector
from composer.metrics import difference_interval, mean_interval, number
from composer.values.typed import parts_within

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from composer.backends import Declaration
    from composer.compiler.graph import Node
    from composer.evaluate.grading import Grading
    from composer.evaluate.members import MemberSummary
    from composer.evaluate.rows import EvaluationRow
    from composer.metrics import Interval
    from composer.recipe import Recipe
    from composer.values import JSON

__all__ = ["EqualCalls", "Spending", "equal_calls_of"]

TEMPERATURE = 0.7
"""How samples are drawn of a member that the recipe asks greedily."""

MOST = 64
"""How many samples are drawn at most, however cheap the member is."""

PAIR = 2

VOTE, FUSION = "a vote", "the same synthesis"
"""What is made of the samples."""


@dataclass(frozen=True)
class Spending:
    """What a recipe takes in the mean of all rows: calls, and dollars where these are known."""

    calls: float
    dollars: float | None


@dataclass(frozen=True)
class EqualCalls:
    """The best member, asked so often that it takes as many calls or dollars as the recipe.

    `budget` says what is equal, `wanted` how often it would have to be asked, and `samples` how
    often it was; `then` says what is made of the samples. `difference` is by how much the recipe is
    better. Where nothing was measured `accuracy` is None, and `reason` says why; where fewer
    samples were there, it says that.
    """

    member: str
    budget: str
    wanted: int
    samples: int = 0
    accuracy: Interval | None = None
    cost: float | None = None
    difference: Interval | None = None
    reason: str = ""
    then: str = VOTE

    def as_dict(self) -> dict[str, JSON]:
        """Give the plain values that `--json` prints."""
        plain: dict[str, JSON] = {
            "member": self.member,
            "equal": self.budget,
            "then": self.then,
            "wanted_samples": self.wanted,
            "samples": self.samples,
            "accuracy": None,
            "reason": self.reason or None,
        }
        if self.accuracy is not None and self.difference is not None:
            plain |= {
                "accuracy": self.accuracy.mean,
                "interval": [self.accuracy.low, self.accuracy.high],
                "cost": self.cost,
                "difference": self.difference.mean,
                "difference_interval": [self.difference.low, self.difference.high],
                "settled": self.difference.settled,
            }
        return plain


def equal_calls_of(  # noqa: PLR0913 - a recipe, its run, and what else is known
    recipe: Recipe,
    rows: Sequence[EvaluationRow],
    judged: Mapping[str, float],
    spending: Spending,
    best: tuple[str, MemberSummary],
    how: Grading,
    *,
    ask: bool,
) -> tuple[EqualCalls, ...]:
    """Measure the best member at equal calls, and at equal dollars where that is another number.

    Members with recorded samples are measured from these; any other one only if `ask` is set.
    """
    name, summary = best
    wanted = {"calls": math.ceil(spending.calls - 1e-9)}
    each = summary.cost / summary.rows if summary.cost else 0.0
    if spending.dollars and each:
        wanted["dollars"] = math.floor(spending.dollars / each + 1e-9)
    if wanted.get("dollars") == wanted["calls"]:
        wanted = {"calls and dollars": wanted["calls"]}
    goals = [EqualCalls(name, budget, count) for budget, count in wanted.items()]
    synthesis = synthesis_of(recipe.fitted.answer)
    if synthesis is not None and synthesis.calls is not None:
        count = math.ceil(spending.calls - 1e-9) - synthesis.calls
        goals.append(EqualCalls(name, "calls", count, then=FUSION))
    return tuple(
        _measured(recipe, rows, judged, goal, how, ask=ask) for goal in goals if goal.wanted >= PAIR
    )


def _measured(  # noqa: PLR0913 - as above
    recipe: Recipe,
    rows: Sequence[EvaluationRow],
    judged: Mapping[str, float],
    goal: EqualCalls,
    how: Grading,
    *,
    ask: bool,
) -> EqualCalls:
    declaration = declarations(recipe)[goal.member]
    recorded, held = declaration.replays, min(goal.wanted, MOST)
    if recorded:
        held = min(held, _recorded_samples(declaration, rows))
    if held < PAIR or not (recorded or ask):
        return replace(goal, reason=_why(held, recorded=recorded))
    if goal.then == FUSION:
        answer = _self_fusion(recipe, goal.member, held)
    else:
        answer = _self_consistency(recipe, rows, goal.member, held)
    by_one = with_answer(recipe, answer)
    answers = measured_answers(by_one, [row for row in rows if row.id in judged], how)
    errors = [each.result.error for each in answers.values() if each.result.error is not None]
    if errors and len(errors) == len(answers):
        return replace(goal, reason=f"it failed on every row: {errors[0]}")
    if len(answers) < len(judged):
        reason = (
            f"{len(judged) - len(answers):,} of its answers cannot be judged: give the rows a "
            "`reference`"
        )
        return replace(goal, reason=reason)
    theirs = [answers[name].quality for name in judged]
    costs = [cost for name in judged if not math.isnan(cost := answers[name].cost)]
    return replace(
        goal,
        samples=held,
        accuracy=mean_interval(theirs),
        cost=sum(costs) / len(costs) if costs else None,
        difference=difference_interval(list(judged.values()), theirs),
        reason="" if held == goal.wanted else _fewer(goal, held, recorded=recorded),
    )


def _why(held: int, *, recorded: bool) -> str:
    if not recorded:
        return "add `--equal-calls` to ask for them"
    return (
        f"its recording has {'one answer' if held == 1 else 'no answer'} a row, and it cannot be "
        "asked: record several samples of it (`answers`)"
    )


def _fewer(goal: EqualCalls, held: int, *, recorded: bool) -> str:
    if recorded:
        return f"its recording has only {held} samples a row, not {goal.wanted}"
    return f"at most {held} samples are drawn, not {goal.wanted}"


def _recorded_samples(declaration: Declaration, rows: Sequence[EvaluationRow]) -> int:
    """Count the recorded answers of a model to each row; the fewest of all rows."""
    from composer.backends.recorded import Recorded
    from composer.backends.recording import recording

    assert isinstance(declaration, Recorded)
    kept = recording(declaration.file)
    counts = []
    for row in rows:
        answered = kept.find(row.question())
        answer = {} if answered is None else answered["recorded"].get(declaration.model, {})
        counts.append(len(answer.get("answers") or ()) or int(bool(answer)))
    return min(counts, default=0)


def _self_consistency(
    recipe: Recipe, rows: Sequence[EvaluationRow], member: str, count: int
) -> Node:
    """Make the graph that samples one member and takes the recipe's own vote, else a plain one.

    What votes compare is read as the recipe reads it; where it does not, and all references are
    numbers, it is the last number.
    """
    graph, nodes = recipe.fitted.graph, steps_of(recipe)
    steps = [node for node in nodes if not node.is_query]
    answers = _samples(recipe, member, count)
    readers = [node for node in steps if node.step.may_abstain and node.step.gives_same]
    if readers:
        answers = graph.replaced(readers[-1], (answers,))
    elif all(number(each) is not None for row in rows for each in row.references):
        answers = graph.node("extract", (answers,))
    votes = [node for node in steps if node.step.votes]
    if votes:
        return graph.replaced(votes[-1], (answers,), weights=None, routed=False)
    return graph.node("vote", (answers,))


def _self_fusion(recipe: Recipe, member: str, count: int) -> Node:
    """Make the graph in which the recipe's writer reads samples of one member.

    A score that was learned from other members knows nothing of these samples: they are ranked by
    how far they agree.
    """
    graph, synthesis = recipe.fitted.graph, synthesis_of(recipe.fitted.answer)
    assert synthesis is not None
    between = [
        graph.replaced(each, by=Consensus()) if _ranks_by_learning(each) else each
        for each in synthesis.between
    ]
    return synthesis.over(graph, _samples(recipe, member, count), between)


def _ranks_by_learning(node: Node) -> bool:
    scorer = node.values().get("by")
    return any(isinstance(part, LearnedSelector) for part in parts_within(scorer))


def _samples(recipe: Recipe, member: str, count: int) -> Node:
    """Make the step that draws answers of one member, as the recipe asks it."""
    graph = recipe.fitted.graph
    options = asking_options(recipe, member) | {"n": count}
    options["temperature"] = options.get("temperature") or TEMPERATURE
    return graph.node("sample", (graph.query, model_node(recipe, member)), options)
