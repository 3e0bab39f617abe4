"""The cascade that gives a recipe's answer, and the recipe that asks every one of its stages.

A cascade stops early, so its run does not tell what the later stages would have answered.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from composer.compiler.graph import topological
from composer.compiler.graph.choices import stage_choices, writer
from composer.methods import Acceptance, Rule
from composer.methods.post_hoc.base import AfterAnswers
from composer.values import Port

if TYPE_CHECKING:
    from composer.compiler.graph import Node
    from composer.methods import Estimator
    from composer.methods.estimators.values import Choice
    from composer.methods.signals.base import Signal
    from composer.recipe import Recipe
    from composer.run import Ensemble

__all__ = ["Cascade", "ahead_of", "cascade_of", "every_stage_recipe", "reading_steps"]


@dataclass(frozen=True)
class Cascade:
    """The cascade that gives a recipe's answer: its id in traces, its node and its stages.

    `lone` says of each stage whether it is one model's own answer, `writers` which models it asks.
    """

    id: str
    node: Node
    names: tuple[str, ...]
    lone: tuple[bool, ...]
    writers: tuple[tuple[str, ...], ...]

    @property
    def decides(self) -> Rule | Acceptance | Estimator:
        """What decides after each answer."""
        options = self.node.values()
        decides: Rule | Acceptance | Estimator = options.get("by") or options["accept"]
        return decides

    @property
    def ahead(self) -> bool:
        """Whether each stage begins together with the one before it."""
        return bool(self.node.values().get("ahead"))

    @property
    def begun(self) -> tuple[int, ...]:
        """The stages that have answered before anything is decided: an answer before the others."""
        return () if self.node.direct_inputs[0].port is Port.QUERY else (0,)

    @property
    def signals(self) -> tuple[Signal, ...]:
        """What is measured on each answer."""
        match self.decides:
            case Rule() as rule:
                return tuple(sorted(rule.signals(), key=str))
            case Acceptance(signals=signals) | AfterAnswers(signals=signals):
                return signals
            case _:
                return ()

    @property
    def choices(self) -> tuple[Choice, ...]:
        """The stages as a policy sees them."""
        from composer.steps.deciding import choices_of

        options = stage_choices(self.node.direct_inputs)
        fields = ("stage_names", "aliases", "prices", "recorded_costs")
        return choices_of(*(options[field] for field in fields))


def cascade_of(recipe: Recipe, ensemble: Ensemble) -> Cascade | None:
    """Return the cascade that a recipe's answer comes from, None where there is none."""
    steps = ensemble.steps
    node = _behind(recipe.fitted.answer)[0]
    planned = _behind(list(steps.values())[-1])[0]
    if node is None or planned is None:
        return None
    return _cascade(node, next(name for name, step in steps.items() if step is planned))


def _cascade(node: Node, step_id: str) -> Cascade:
    stages = _stages(node)
    names: tuple[str, ...] = stage_choices(node.direct_inputs)["stage_names"]
    lone = tuple(writer(stage) is not None for stage in stages)
    writers = tuple(
        tuple(each.title for each in topological(stage) if each.declaration is not None)
        for stage in stages
    )
    return Cascade(step_id, node, names, lone, writers)


def ahead_of(recipe: Recipe) -> Cascade | None:
    """Return the cascade of an answer whose stages begin ahead, None where there is none."""
    node = _behind(recipe.fitted.answer)[0]
    return None if node is None or not node.values().get("ahead") else _cascade(node, "")


def every_stage_recipe(
    recipe: Recipe,
    node: Node,
    signals: tuple[Signal, ...],
    *,
    last: bool = True,
    read: bool = True,
) -> Recipe:
    """Return the recipe that asks every stage of a cascade, and measures signals on each answer.

    Signals of the last answer are measured if `last`. If `read`, steps after the cascade that only
    read a value out of its answer read it out of each stage's.
    """
    compiled = recipe.fitted
    after = reading_steps(recipe, node) if read else ()

    def reading(stage: Node) -> Node:
        for each in reversed(after):
            stage = compiled.graph.replaced(each, (stage,))
        return stage

    inputs = [each if each.port is Port.QUERY else reading(each) for each in node.direct_inputs]
    carry = node.values().get("carry")
    names = stage_choices(node.direct_inputs)["stage_names"]
    options = {"stage_names": names, "signals": signals, "last": last, "carry": carry}
    answer = compiled.graph.node("every_stage", tuple(inputs), options, None, node.option_models)
    return replace(recipe, compiled=replace(compiled, answer=answer), path=None)


def reading_steps(recipe: Recipe, node: Node) -> tuple[Node, ...]:
    """Return the steps between a cascade and the answer that only read a value, last first."""
    behind, after = _behind(recipe.fitted.answer)
    return after if behind is node else ()


def _stages(node: Node) -> tuple[Node, ...]:
    inputs = node.direct_inputs
    return inputs[1:] if inputs[0].port is Port.QUERY else inputs


def _behind(answer: Node | None) -> tuple[Node | None, tuple[Node, ...]]:
    """Return the cascade behind steps that only read a value, and these steps, last first."""
    after: list[Node] = []
    while answer is not None and not answer.is_query:
        if answer.lazy and "stage_names" in answer.step.hidden:
            return answer, tuple(after)
        if not answer.step.gives_same or len(answer.direct_inputs) != 1:
            break
        after.append(answer)
        answer = answer.inputs[0]
    return None, ()
