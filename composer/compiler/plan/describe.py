"""The plan as a person reads it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from composer.compiler.graph import QUERY
from composer.compiler.plan.planning import plan_steps
from composer.diagnostics.amounts import cost_text, counted, in_dollars, number_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from composer.compiler.graph import Compiled, Node
    from composer.compiler.plan.plan import (
        Plan,
        PlannedBuild,
        PlannedCost,
        PlannedFit,
        PlannedModel,
        PlannedStep,
    )

UNITS = ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"))


def describe(plan: Plan, *, origins: bool = False) -> str:
    """Write a plan as text: models, steps in order with every default, rules.

    With `origins`, each value comes with the place where it was written.
    """
    return "\n".join(_lines(plan, origins=origins)) + "\n"


def _lines(plan: Plan, *, origins: bool) -> Iterator[str]:
    yield f"plan of {plan.recipe}"
    if plan.models:
        yield ""
        yield "models"
        yield from _table([_model(model) for model in plan.models])
    if plan.builds:
        yield ""
        yield "builds"
        yield from _table([_build(build) for build in plan.builds])
    yield ""
    maybe = "   (those marked ? may not run)" if any(s.maybe for s in plan.steps) else ""
    yield f"steps{maybe}"
    for step in plan.steps:
        yield from _step(step, origins=origins)
    yield f"  answer := {plan.answer}"
    if plan.fits:
        yield ""
        yield "fits"
        yield from (f"  {_fit(fit)}" for fit in plan.fits)
    if plan.costs:
        yield ""
        yield "costs of an answer"
        yield from _table([_cost(cost) for cost in plan.costs])
    if plan.unfitted:
        yield ""
        yield "not fitted yet"
        yield from (f"  {one.step}: {one.option} = {one.part}" for one in plan.unfitted)
        command = f"compose fit {shlex.quote(plan.recipe)} --data FILE"
        yield f"  run `{command}` before the first question"
    if plan.rules:
        yield ""
        yield "rules"
        for rule in plan.rules:
            times = f" ({rule.times} times)" if rule.times > 1 else ""
            yield f"  {rule.name}{times}: {rule.summary}"


def _fit(fit: PlannedFit) -> str:
    """Say what a part learnt, and which setting stands for what a person asked for."""
    line = f"{fit.step}: {fit.option} = {fit.part}, from {counted(fit.rows, 'row')} of {fit.data}"
    if not fit.calibrated:
        return line
    value = number_text(float(str(fit.calibrated["value"])))
    setting = f"{fit.calibrated['option']} = {value}"
    mean, low, high = (number_text(value, 4) for value in fit.reached)
    reached = f"reached {mean} [{low}, {high}] on held-out rows"
    return f"{line}; {setting} for {fit.calibrated['target']}, {reached}"


def _cost(cost: PlannedCost) -> list[str]:
    dollars = "" if cost.dollars is None else cost_text(cost.dollars)
    return [cost.step, cost.choice, dollars, cost.origin]


def describe_steps(compiled: Compiled, root: Node) -> list[str]:
    """Write the steps of a graph on its way to a plan, with the options that are set."""
    steps = plan_steps(compiled, root)
    return [line for step in steps for line in _step(step) if not line.startswith(DEFAULTS)]


DEFAULTS = " " * 8 + "default: "


def _step(step: PlannedStep, *, origins: bool = False) -> Iterator[str]:
    if step.op == QUERY:
        yield f"  {step.id} := query"
        return
    inputs = [f"{node}?" if node in step.maybe else node for node in step.inputs]
    yield f"  {step.id} := {step.op}({', '.join(inputs)})"
    for option in step.options:
        if not option.default:
            origin = f"   # {option.origin}" if origins and option.origin else ""
            yield f"        {option.name} = {option.value}{origin}"
    unset = [f"{option.name} = {option.value}" for option in step.options if option.default]
    if unset:
        yield DEFAULTS + ", ".join(unset)


def _model(model: PlannedModel) -> list[str]:
    facts = []
    if model.parameters is not None:
        facts.append(f"{counted(model.parameters, 'parameter')}")
    if model.bytes is not None:
        facts.append(size_text(model.bytes))
    if model.price is not None:
        read, written = map(in_dollars, model.price)
        facts.append(f"{read} in, {written} out a million tokens")
    facts += [f"{name} = {value}" for name, value in model.processing]
    device = f"on {model.device}" if model.device else ""
    return [model.name, model.declaration, ", ".join(facts), device]


def _build(build: PlannedBuild) -> list[str]:
    sizes = {"on disk": build.bytes, "of memory to build": build.memory}
    facts = [f"{size_text(size)} {where}" for where, size in sizes.items() if size is not None]
    device = f"on {build.device}" if build.device else ""
    return [build.id, build.formula, ", ".join(facts), device]


def size_text(count: int) -> str:
    """Write a number of bytes for people."""
    for unit, name in UNITS:
        if count >= unit:
            return f"{count / unit:.1f} {name}"
    return f"{count} B"


def _table(rows: list[list[str]]) -> Iterator[str]:
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  " + "  ".join(cells).rstrip()
