"""The plan as a versioned value: what a program reads from `compose plan --json`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from composer.compiler.graph import QUERY, topological
from composer.compiler.graph.capabilities import card_of
from composer.compiler.plan.devices import devices as found_devices
from composer.compiler.plan.placing import place
from composer.compiler.plan.wording import declared_text, option_text
from composer.steps.routing import default_policy

if TYPE_CHECKING:
    from composer.compiler.graph import Compiled, Node
    from composer.compiler.plan.devices import Device
    from composer.compiler.rules import Fired, Optimized

VERSION = 1


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PlannedModel(_Frozen):
    """A model that the answer can reach, and where it goes."""

    name: str
    declaration: str
    identity: str
    device: str | None
    parameters: int | None
    bytes: int | None
    context: int | None
    vocabulary: str | None
    price: tuple[float, float] | None
    place: str


class PlannedOption(_Frozen):
    """An option of a step, as text; `default` where the recipe does not set it."""

    name: str
    value: str
    default: bool


class PlannedStep(_Frozen):
    """A step, what it is given, and which of its branches it may leave alone."""

    id: str
    op: str
    inputs: tuple[str, ...]
    maybe: tuple[str, ...]
    options: tuple[PlannedOption, ...]
    gives: str
    place: str


class PlannedRule(_Frozen):
    """A rule that changed the recipe, and how often."""

    name: str
    summary: str
    times: int


class Plan(_Frozen):
    """What would run, where, with which options, and which rules led to it."""

    version: int = VERSION
    recipe: str
    answer: str
    models: tuple[PlannedModel, ...]
    steps: tuple[PlannedStep, ...]
    rules: tuple[PlannedRule, ...]
    warnings: tuple[dict[str, Any], ...]


def make_plan(
    compiled: Compiled, optimized: Optimized, devices: tuple[Device, ...] | None = None
) -> tuple[Plan, dict[Node, str]]:
    """Lay a graph out as a plan; returns also the name of each node in it."""
    order = topological(optimized.root)
    ids = _ids(order)
    models = [node for node in order if node.op == "model"]
    plan = Plan(
        recipe=compiled.name,
        answer=ids[optimized.root],
        models=_models(compiled, models, devices or found_devices()),
        steps=plan_steps(compiled, optimized.root),
        rules=tuple(_rules(optimized.fired)),
        warnings=tuple(each.as_dict() for each in compiled.warnings),
    )
    return plan, ids


def plan_steps(compiled: Compiled, root: Node) -> tuple[PlannedStep, ...]:
    """Return the steps under a root in the order of work; models go by their names."""
    order = topological(root)
    ids = _ids(order)
    return tuple(_step(compiled, node, ids) for node in order if node.op != "model")


def _ids(order: list[Node]) -> dict[Node, str]:
    """Name models by their names and everything else r0, r1, ... in the order of work."""
    ids: dict[Node, str] = {}
    steps, taken = 0, set()
    for node in order:
        if node.op == "model":
            name = node.get("name")
            while name in taken:
                name += "'"
            ids[node] = name
            taken.add(name)
        else:
            ids[node] = f"r{steps}"
            steps += 1
    return ids


def _step(compiled: Compiled, node: Node, ids: dict[Node, str]) -> PlannedStep:
    lazy = set(node.lazy)
    return PlannedStep(
        id=ids[node],
        op=node.op,
        inputs=tuple(ids[each] for each in node.inputs),
        maybe=tuple(ids[each] for each in node.inputs if each in lazy),
        options=tuple(_options(node)) if node.op != QUERY else (),
        gives=node.port.name.lower(),
        place=_where(compiled, node),
    )


def _options(node: Node) -> list[PlannedOption]:
    """Return the options that mean something here, with those that were not set marked."""
    options = node.options
    assert options is not None
    out = []
    for name in node.step.public_options:
        value: Any = getattr(options, name)
        default = name not in options.model_fields_set
        if name == "policy" and value is None:
            value = default_policy(fused=node.get("fused"))
        if value is None or (default and value in ((), "")):
            continue
        out.append(PlannedOption(name=name, value=option_text(value), default=default))
    if node.op == "token_fuse" and node.get("together"):
        out.append(PlannedOption(name="together", value="true", default=False))
    return out


def _models(
    compiled: Compiled, nodes: list[Node], devices: tuple[Device, ...]
) -> tuple[PlannedModel, ...]:
    cards = {node: card_of(node.get("declaration")) for node in nodes}
    local = [node for node in nodes if cards[node].bytes is not None]
    sizes = {
        node.get("name"): (cards[node].bytes, getattr(node.get("declaration"), "device", "auto"))
        for node in local
    }
    placed = place(sizes, devices)
    return tuple(
        PlannedModel(
            name=node.get("name"),
            declaration=declared_text(node.get("declaration")),
            identity=node.get("declaration").identity(),
            device=placed.get(node.get("name")),
            parameters=cards[node].parameters,
            bytes=cards[node].bytes,
            context=cards[node].context,
            vocabulary=cards[node].vocabulary,
            price=cards[node].price,
            place=_where(compiled, node),
        )
        for node in nodes
    )


def _rules(fired: tuple[Fired, ...]) -> list[PlannedRule]:
    times: dict[str, int] = {}
    summaries: dict[str, str] = {}
    for each in fired:
        times[each.rule.name] = times.get(each.rule.name, 0) + 1
        summaries[each.rule.name] = each.rule.summary
    return [PlannedRule(name=n, summary=summaries[n], times=k) for n, k in times.items()]


def _where(compiled: Compiled, node: Node) -> str:
    place_ = compiled.graph.places.get(node)
    return f"{place_.source.name}:{place_.line}:{place_.column}" if place_ else ""
