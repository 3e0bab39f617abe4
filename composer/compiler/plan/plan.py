"""The plan as a versioned value: what a program reads from `compose plan --json`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from composer.compiler.fits.find import learners_of
from composer.compiler.graph import QUERY, topological
from composer.compiler.plan.devices import devices as found_devices
from composer.compiler.plan.placing import place
from composer.compiler.plan.wording import declared_text, option_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from composer.compiler.graph import Compiled, Graph, Node
    from composer.compiler.plan.devices import Device
    from composer.compiler.rules import Fired, Optimized
    from composer.words import Place

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
    """An option of a step, as text; `default` where the recipe does not set it.

    `origin` says where the value was written: a place in a file, or `--set NAME`.
    """

    name: str
    value: str
    default: bool
    origin: str | None = None


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


class PlannedFit(_Frozen):
    """What a part of a step learnt: from how many rows of which data, and what was calibrated."""

    step: str
    option: str
    part: str
    rows: int
    data: str
    calibrated: dict[str, object]
    reached: tuple[float, ...]


class Plan(_Frozen):
    """What would run, where, with which options, and which rules led to it."""

    version: int = VERSION
    recipe: str
    answer: str
    models: tuple[PlannedModel, ...]
    steps: tuple[PlannedStep, ...]
    rules: tuple[PlannedRule, ...]
    warnings: tuple[dict[str, object], ...]
    fits: tuple[PlannedFit, ...] = ()


@dataclass(frozen=True, eq=False, slots=True)
class Planned:
    """A plan, and the graph that carries it out: models on their devices, nodes by plan name."""

    plan: Plan
    root: Node
    ids: Mapping[Node, str]

    def __repr__(self) -> str:
        return f"Planned({self.plan.recipe!r}, {len(self.ids)} nodes)"


def make_plan(
    compiled: Compiled, optimized: Optimized, devices: tuple[Device, ...] | None = None
) -> Planned:
    """Lay a graph out as a plan; raise Mistakes where a model finds no device."""
    order = topological(optimized.root)
    models = [node for node in order if node.declaration is not None]
    placed = _placed(compiled, models, devices or found_devices())
    root = compiled.graph.rebuild(optimized.root, partial(_put, compiled.graph, placed))
    plan = Plan(
        recipe=compiled.name,
        answer=_ids(order)[optimized.root],
        models=tuple(_model(compiled, node, placed) for node in models),
        steps=plan_steps(compiled, optimized.root),
        rules=tuple(_rules(optimized.fired)),
        warnings=tuple(each.as_dict() for each in compiled.warnings),
        fits=tuple(_fits(order)),
    )
    return Planned(plan, root, _ids(topological(root)))


def _fits(order: list[Node]) -> Iterator[PlannedFit]:
    """Yield what the parts of the nodes learnt."""
    ids = _ids(order)
    for node in order:
        for learner in learners_of(node):
            if (fitted := learner.part.fitted) is not None:
                yield PlannedFit(
                    step=ids[node],
                    option=learner.option,
                    part=learner.part.name,
                    rows=fitted.rows,
                    data=fitted.facts.get("data", ""),
                    calibrated=fitted.facts.get("calibrated", {}),
                    reached=tuple(fitted.facts.get("reached", ())),
                )


def _placed(compiled: Compiled, models: list[Node], devices: tuple[Device, ...]) -> dict[Node, str]:
    """Return the device of each local model; equal declarations are one set of weights."""
    names, card = _ids(models), compiled.graph.card
    first: dict[str, Node] = {}
    for node in models:
        if card(node.get("declaration")).bytes is not None:
            first.setdefault(node.get("declaration").identity(), node)
    declared = {names[node]: node.get("declaration") for node in first.values()}
    places = {names[n]: compiled.declared[n] for n in first.values() if n in compiled.declared}
    sizes = {name: (card(each).bytes, each.device) for name, each in declared.items()}
    found = place(sizes, devices, places)
    same = {node: first.get(node.get("declaration").identity()) for node in models}
    return {node: found[names[other]] for node, other in same.items() if other is not None}


def _put(graph: Graph, placed: Mapping[Node, str], node: Node) -> Node:
    """Write a model's device into its declaration."""
    if node not in placed:
        return node
    declaration = node.get("declaration").model_copy(update={"device": placed[node]})
    return graph.replaced(node, declaration=declaration)


def plan_steps(compiled: Compiled, root: Node) -> tuple[PlannedStep, ...]:
    """Return the steps under a root in the order of work; models go by their names."""
    order = topological(root)
    ids = _ids(order)
    return tuple(_step(compiled, node, ids) for node in order if node.declaration is None)


def _ids(order: list[Node]) -> dict[Node, str]:
    """Name models by their names and everything else r0, r1, ... in the order of work."""
    ids: dict[Node, str] = {}
    steps, taken = 0, set()
    for node in order:
        if node.declaration is not None:
            name = node.title
            while name in taken:
                name += "'"
            ids[node] = name
            taken.add(name)
        else:
            ids[node] = f"r{steps}"
            steps += 1
    return ids


def _step(compiled: Compiled, node: Node, ids: dict[Node, str]) -> PlannedStep:
    return PlannedStep(
        id=ids[node],
        op=node.op,
        inputs=tuple(ids[each] for each in node.inputs),
        maybe=tuple(ids[n] for n, waits in zip(node.inputs, node.waits, strict=True) if waits),
        options=tuple(_options(compiled, node)) if node.op != QUERY else (),
        gives=node.port.name.lower(),
        place=_where(compiled, node),
    )


def _options(compiled: Compiled, node: Node) -> list[PlannedOption]:
    """Return the options that mean something here, with those that were not set marked."""
    options = node.options
    assert options is not None
    settled = node.step.settled(options)
    out = []
    for name in node.step.public_options:
        value = settled.get(name, getattr(options, name))
        default = name not in options.model_fields_set
        if value is None or (default and value in ((), "")):
            continue
        origin = _place_text(compiled.graph.origins.get(node, {}).get(name))
        text = option_text(value)
        out.append(PlannedOption(name=name, value=text, default=default, origin=origin))
    told = (name for name in node.step.told if node.get(name))
    out += [PlannedOption(name=n, value=option_text(node.get(n)), default=False) for n in told]
    return out


def _model(compiled: Compiled, node: Node, placed: Mapping[Node, str]) -> PlannedModel:
    declaration = node.get("declaration")
    card = compiled.graph.card(declaration)
    return PlannedModel(
        name=node.get("name"),
        declaration=declared_text(declaration),
        identity=declaration.identity(),
        device=placed.get(node),
        parameters=card.parameters,
        bytes=card.bytes,
        context=card.context,
        vocabulary=card.vocabulary,
        price=card.price,
        place=_where(compiled, node),
    )


def _rules(fired: tuple[Fired, ...]) -> list[PlannedRule]:
    times: dict[str, int] = {}
    summaries: dict[str, str] = {}
    for each in fired:
        times[each.rule.name] = times.get(each.rule.name, 0) + 1
        summaries[each.rule.name] = each.rule.summary
    return [PlannedRule(name=n, summary=summaries[n], times=k) for n, k in times.items()]


def _where(compiled: Compiled, node: Node) -> str:
    return _place_text(compiled.graph.places.get(node)) or ""


def _place_text(place: Place | None) -> str | None:
    """Name a place: file, line and column, or the setting that was given from outside."""
    if place is None:
        return None
    if place.source.name.startswith("--"):
        return place.source.name
    return f"{place.source.name}:{place.line}:{place.column}"
