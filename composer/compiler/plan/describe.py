"""The plan as a person reads it."""

from __future__ import annotations

import shlex
from itertools import chain
from textwrap import wrap
from typing import TYPE_CHECKING

from composer.checkpoints.splits import Split
from composer.compiler.graph import QUERY
from composer.compiler.plan.planning import plan_steps
from composer.compiler.plan.stacking import stack_text
from composer.diagnostics.amounts import (
    cost_text,
    counted,
    in_dollars,
    number_text,
    size_text,
)
from composer.methods.acceptances.promises import guarantee_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from composer.compiler.graph import Compiled, Node
    from composer.compiler.plan.plan import (
        Plan,
        PlannedBuild,
        PlannedCalls,
        PlannedCost,
        PlannedDevice,
        PlannedFit,
        PlannedModel,
        PlannedPool,
        PlannedRequests,
        PlannedRule,
        PlannedServer,
        PlannedSharing,
        PlannedStep,
        PlannedTurns,
    )

SERVER_WIDTH = 84
"""Characters of a line of what a server gives."""


def describe(plan: Plan, *, origins: bool = False) -> str:
    """Write a plan as text: models, steps in order with every default, rules.

    With `origins`, each value comes with the place where it was written.
    """
    return "\n".join(_lines(plan, origins=origins)) + "\n"


def _lines(plan: Plan, *, origins: bool) -> Iterator[str]:
    yield f"plan of {plan.recipe}"
    for title, lines in _sections(plan, origins=origins):
        body = list(lines)
        if body:
            yield from ("", title, *body)


def _sections(plan: Plan, *, origins: bool) -> Iterator[tuple[str, Iterable[str]]]:
    yield "models", _table([_model(model) for model in plan.models])
    yield "weights in memory", map(_sharing, plan.sharing)
    yield "devices", _table([_device(device) for device in plan.devices])
    yield "pools on a cluster", _table([_pool(pool) for pool in plan.pools])
    yield "stacked", (f"  {stack_text(each)}" for each in plan.stacks)
    yield "servers", server_lines(plan.servers)
    yield "requests to servers", _requests(plan.requests)
    yield "builds", _table([_build(build) for build in plan.builds])
    maybe = "   (those marked ? may not run)" if any(s.maybe for s in plan.steps) else ""
    steps = (line for step in plan.steps for line in _step(step, origins=origins))
    yield f"steps{maybe}", chain(steps, [f"  answer := {plan.answer}"])
    yield "votes that stop early", (f"  {each.step}: {_turns(each)}" for each in plan.turns)
    yield "calls for an answer", _table([_calls(calls) for calls in plan.calls])
    yield "fits", (f"  {_fit(fit)}" for fit in plan.fits)
    yield "costs of an answer", _table([_cost(cost) for cost in plan.costs])
    yield "not fitted yet", _unfitted(plan)
    yield "rules", map(_rule, plan.rules)
    used = f"  {plan.timings}, which `compose doctor --measure` saved"
    yield "timings", [used] if plan.timings else ()


def server_lines(servers: Iterable[PlannedServer]) -> Iterator[str]:
    """Write what servers were found to give, and when."""
    for server in servers:
        asked = "not asked yet: `compose doctor RECIPE` asks it"
        if server.gives or server.lacks:
            asked = f"asked on {server.date}" if server.date else "not asked (`probe = false`)"
        yield f"  {server.name}: {server.model} at {server.address}, {asked}"
        words = {"gives": server.gives, "lacks": server.lacks, "unknown": server.unknown}
        for name, items in words.items():
            lines = wrap(", ".join(items), SERVER_WIDTH)
            yield from (
                f"        {name if not at else '':<7}  {line}" for at, line in enumerate(lines)
            )


def _requests(requests: Iterable[PlannedRequests]) -> Iterator[str]:
    """Write how often servers are asked."""
    for each in requests:
        head = f"  {each.step}: {each.member}, "
        lines = wrap(each.requests, SERVER_WIDTH)
        yield from (f"{head if not at else '        '}{line}" for at, line in enumerate(lines))


def _turns(turns: PlannedTurns) -> str:
    """Say how many branches are asked."""
    if turns.fewest is None:
        return f"at most {counted(turns.most, 'branch')}, as many as the route takes"
    if turns.fewest == turns.most:
        return f"all of {counted(turns.most, 'branch')}"
    return f"{turns.fewest} to {counted(turns.most, 'branch')}"


def _unfitted(plan: Plan) -> Iterator[str]:
    yield from (f"  {one.step}: {one.option} = {one.part}" for one in plan.unfitted)
    if plan.unfitted:
        command = f"compose fit {shlex.quote(plan.recipe)} --data FILE"
        yield f"  run `{command}` before the first question"


def _rule(rule: PlannedRule) -> str:
    times = f" ({rule.times} times)" if rule.times > 1 else ""
    return f"  {rule.name}{times}: {rule.summary}"


def _fit(fit: PlannedFit) -> str:
    """Say what a part learnt, and which setting stands for what a person asked for."""
    line = f"{fit.step}: {fit.option} = {fit.part}, from {counted(fit.rows, 'row')} of {fit.data}"
    line = "; ".join([line, *map(guarantee_text, fit.guarantees)])
    if not fit.calibrated:
        return line
    value = number_text(float(str(fit.calibrated["value"])))
    setting = f"{fit.calibrated['option']} = {value}"
    mean, low, high = (number_text(value, 4) for value in fit.reached)
    reached = f"reached {mean} [{low}, {high}] on held-out rows"
    return f"{line}; {setting} for {fit.calibrated['target']}, {reached}"


def _calls(calls: PlannedCalls) -> list[str]:
    return [calls.step, calls.model, f"up to {calls.most}"]


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
        facts.append(parameters_text(model.parameters, model.active))
    if model.bytes is not None:
        facts.append(size_text(model.bytes))
    if model.stored:
        facts.append(model.stored)
    if model.price is not None:
        read, written = map(in_dollars, model.price)
        facts.append(f"{read} in, {written} out a million tokens")
    facts += [f"{name} = {value}" for name, value in model.processing]
    return [model.name, model.declaration, ", ".join(facts), _where(model)]


def _where(model: PlannedModel | PlannedBuild) -> str:
    """Say where a model goes, and why."""
    if model.device is None:
        return ""
    split = Split.of(model.device)
    where = model.device if split is None else ", ".join(dict.fromkeys(split.layers))
    return f"on {where} ({model.why})" if model.why else f"on {where}"


def _device(device: PlannedDevice) -> list[str]:
    taken, free = size_text(device.taken), size_text(device.free)
    return [device.name, f"{taken} of {free} for weights and rows"]


def _sharing(sharing: PlannedSharing) -> str:
    models, sizes = ", ".join(sharing.models), map(size_text, (sharing.bytes, sharing.apart))
    return f"  {models} share one base: {' instead of '.join(sizes)}"


def _pool(pool: PlannedPool) -> list[str]:
    """Write the replicas of a pool, and what each takes of a machine."""
    fewest, most = pool.replicas
    replicas = counted(most, "replica") if fewest == most else f"{fewest} to {most} replicas"
    each = amounts_text({"CPU": pool.cpus, "GPU": pool.gpus, **pool.resources})
    size = "size not known yet"
    if pool.bytes is not None and pool.memory is not None:
        where = "of a GPU" if pool.gpus else "of memory"
        size = f"{size_text(pool.bytes)} of weights, {size_text(pool.memory)} {where} with its rows"
    return [pool.name, replicas, f"each {each}", size]


def amounts_text(amounts: Mapping[str, float]) -> str:
    """Write resources of a cluster, such as `2 CPUs, 0.5 GPU, 1.2 GiB of memory, 1 big`."""
    return ", ".join(_amount(name, amount) for name, amount in amounts.items() if amount)


def _amount(name: str, amount: float) -> str:
    if name == "memory":
        return f"{size_text(int(amount))} of memory"
    plural = "s" if name in ("CPU", "GPU") and amount > 1 else ""
    return f"{number_text(amount)} {name}{plural}"


def _build(build: PlannedBuild) -> list[str]:
    sizes = {"on disk": build.bytes, "of memory to build": build.memory}
    facts = [f"{size_text(size)} {where}" for where, size in sizes.items() if size is not None]
    if build.parameters is not None and build.active is not None:
        facts.insert(0, parameters_text(build.parameters, build.active))
    return [build.id, build.formula, ", ".join(facts), _where(build)]


def parameters_text(count: int, active: int | None) -> str:
    """Write how many parameters a model has, and how many of them a token uses."""
    text = counted(count, "parameter")
    return text if active is None else f"{text}, {active:,} of them active"


def _table(rows: list[list[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  " + "  ".join(cells).rstrip()
