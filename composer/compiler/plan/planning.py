"""From an optimized graph to a plan: models are placed, steps are listed with every option."""

from __future__ import annotations

from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from composer.compiler.fits.learners import learners_of
from composer.compiler.graph import topological
from composer.compiler.graph.capabilities import card_of, checkpoint_of, checkpoints_in
from composer.compiler.graph.pooling import pool_groups, speaks_of_clusters
from composer.compiler.plan.calls import planned_calls
from composer.compiler.plan.costs import planned_costs
from composer.compiler.plan.option_text import declared_text, option_text
from composer.compiler.plan.placement import demand_of, place_models
from composer.compiler.plan.placement import devices as found_devices
from composer.compiler.plan.plan import (
    Apart,
    Plan,
    Planned,
    PlannedBuild,
    PlannedDevice,
    PlannedFit,
    PlannedModel,
    PlannedOption,
    PlannedPool,
    PlannedRule,
    PlannedServer,
    PlannedStep,
    PlannedUnfitted,
)
from composer.compiler.plan.pools import pools_of
from composer.compiler.plan.requests import planned_requests
from composer.compiler.plan.sharing import planned_sharing, weight_groups
from composer.compiler.plan.stacking import stack_choices
from composer.compiler.plan.turns import planned_turns
from composer.compiler.rules import APART, does_once, done_once, optimize
from composer.compiler.rules.drafting import draft_choice, draftable_fuses, drafted_fuse
from composer.diagnostics.secrets import starred
from composer.specs import Derived, Local, Remote
from composer.values import Port
from composer.values.timings import read_timings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from composer.backends import Declaration
    from composer.compiler.graph import Compiled, Graph, Node
    from composer.compiler.plan.placement import Device, Placement
    from composer.compiler.plan.stacking import StackChoice
    from composer.compiler.rules import Optimized, RuleUse
    from composer.compiler.rules.drafting import DraftChoice
    from composer.diagnostics import Place
    from composer.specs import Checkpoint
    from composer.values.timings import SavedTimings


def make_plan(
    compiled: Compiled,
    optimized: Optimized,
    devices: tuple[Device, ...] | None = None,
    *,
    cluster: bool = False,
) -> Planned:
    """Lay a graph out as a plan; raise Mistakes where a model finds no device.

    On a `cluster` the models of pools find theirs where their replicas run.
    """
    order = topological(optimized.root)
    elsewhere = set(chain.from_iterable(pool_groups(optimized.root))) if cluster else set()
    here = [node for node in order if node not in elsewhere]
    placement = _placed(compiled, here, devices or found_devices())
    put = partial(_put, compiled.graph, placement)
    root = compiled.graph.rebuild(optimized.root, put)
    saved, ids = read_timings(), _ids(order)
    stacks = list(_stack_choices(compiled, here, placement, saved)) if not optimized.plain else []
    chosen = [each for each in stacks if not each.why]
    drafts = list(_draft_choices(compiled, optimized, saved)) if not optimized.plain else []
    drafted = any(use.rule is drafted_fuse for use in optimized.fired)
    by_timings = chosen or drafted or any(each.timed for each in placement.values())
    plan = Plan(
        recipe=compiled.name,
        answer=_ids(order)[optimized.root],
        models=tuple(_models(compiled, order, placement)),
        builds=tuple(_builds(compiled, order, placement)),
        steps=plan_steps(compiled, optimized.root),
        rules=tuple(_rules(optimized.fired)),
        warnings=tuple(warning.as_dict() for warning in compiled.warnings),
        fits=tuple(_fits(order)),
        costs=tuple(planned_costs(optimized.root, _ids(order))),
        unfitted=tuple(_unfitted(order)),
        servers=planned_servers(order),
        requests=tuple(planned_requests(_ids(order))),
        turns=tuple(planned_turns(_ids(order))),
        calls=tuple(planned_calls(order, _ids(order))),
        sharing=tuple(planned_sharing(compiled.graph, _in_memory(compiled, order), _ids(order))),
        devices=tuple(_devices(placement, devices or found_devices())),
        pools=tuple(_pools(compiled, optimized.root, cluster=cluster)),
        stacks=tuple(each.planned(ids) for each in chosen),
        timings=saved.timings.digest if by_timings and saved.timings else "",
    )
    apart = partial(_apart, compiled, optimized, put) if does_once(optimized) else None
    return Planned(
        plan,
        root,
        _ids(topological(root)),
        apart,
        stacks=tuple(
            (tuple(checkpoint_of(put(node)) for node in each.models), each.rows) for each in chosen
        ),
        choices=(*(each.sentence(ids) for each in stacks), *(each.sentence() for each in drafts)),
    )


def _draft_choices(
    compiled: Compiled, optimized: Optimized, saved: SavedTimings
) -> Iterator[DraftChoice]:
    for fuse in draftable_fuses(compiled.graph, optimized.root, optimized.fired):
        choice = draft_choice(compiled.graph, fuse, saved)
        if choice is not None:
            yield choice


def _stack_choices(
    compiled: Compiled, order: list[Node], placement: Mapping[str, Placement], saved: SavedTimings
) -> Iterator[StackChoice]:
    return stack_choices(_in_memory(compiled, order), placement, saved)


def loaded_models(planned: Planned) -> tuple[Checkpoint, ...]:
    """Return the models whose weights a run has in this process, each on its device."""
    order = topological(planned.root)
    loaded = _loaded(order)
    models = (checkpoint_of(node) for node in order if node in loaded)
    return tuple({model.identity: model for model in models if model.in_engine}.values())


def _devices(
    placement: Mapping[str, Placement], devices: Iterable[Device]
) -> Iterator[PlannedDevice]:
    """Yield the devices whose memory is limited, with what models take of each."""
    placed = {id(each): each for each in placement.values()}.values()
    for device in devices:
        taken = [each.devices[device.name] for each in placed if device.name in each.devices]
        if device.free is not None and taken:
            yield PlannedDevice(name=device.name, free=device.free, taken=sum(taken))


def _pools(compiled: Compiled, root: Node, *, cluster: bool) -> Iterator[PlannedPool]:
    """Yield the pools, where there is a cluster, or an option that speaks of one."""
    if cluster or any(map(speaks_of_clusters, topological(root))):
        yield from (pool.planned for pool in pools_of(root, compiled.graph))


def _apart(compiled: Compiled, optimized: Optimized, put: Callable[[Node], Node]) -> Apart:
    """Lay out the graph in which greedy work is not done once."""
    graph, answer, plain = compiled.graph, optimized.answer, optimized.plain
    root = graph.rebuild(optimize(graph, answer, plain=plain, passes=APART).root, put)
    return Apart(root, done_once(graph, root))


def planned_servers(order: Iterable[Node]) -> tuple[PlannedServer, ...]:
    """Return what is known of the servers of models; none is asked."""
    return tuple(
        PlannedServer(
            name=node.title,
            model=facts.model,
            address=facts.address,
            gives=facts.gives,
            lacks=facts.lacks,
            unknown=facts.unknown,
            date=facts.date,
            version=facts.version,
        )
        for node in order
        for facts in (node.declaration.servers if isinstance(node.declaration, Remote) else ())
    )


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
                    guarantees=tuple(fitted.facts.get("guarantees", ())),
                )


def _unfitted(order: list[Node]) -> Iterator[PlannedUnfitted]:
    """Yield the parts that have learnt nothing, and name no data to learn from."""
    ids = _ids(order)
    for node in order:
        for learner in learners_of(node):
            if learner.must_be_fitted:
                part = learner.part.name
                yield PlannedUnfitted(step=ids[node], option=learner.option, part=part)


def _placed(
    compiled: Compiled, order: list[Node], devices: tuple[Device, ...]
) -> dict[str, Placement]:
    """Return where the models go that are loaded; weights that are shared are loaded once."""
    ids = _ids(order)
    groups = _in_memory(compiled, order)
    stands = compiled.graph.places | compiled.declared
    places = {ids[node]: stands[node] for node, *_ in groups if node in stands}
    demands = [demand_of(compiled.graph, ids[group[0]], group, devices) for group in groups]
    names = {checkpoint_of(node).identity: ids[group[0]] for group in groups for node in group}
    together = [
        frozenset(names[identity] for identity in each if identity in names)
        for each in _fused(order)
    ]
    placement = place_models(demands, devices, together, places)
    return {identity: placement[name] for identity, name in names.items()}


def _fused(order: list[Node]) -> list[list[str]]:
    """Return the models that write together wherever a step asks them, by their identities."""
    steps = (node for node in order if node.port is not Port.MODEL)
    models = (each for node in steps for each in node.inputs if each.port is Port.MODEL)
    return [[checkpoint_of(leaf).identity for leaf in checkpoints_in(model)] for model in models]


def _in_memory(compiled: Compiled, order: list[Node]) -> list[list[Node]]:
    """Return the models that are loaded, grouped by the weights that they share."""
    loaded = _loaded(order)
    return weight_groups(compiled.graph, (node for node in order if node in loaded))


def _loaded(order: list[Node]) -> set[Node]:
    """Return the models that answer where a step asks some; what they are made of is not loaded."""
    steps = (node for node in order if node.port is not Port.MODEL)
    models = (model_ for node in steps for model_ in node.inputs if model_.port is Port.MODEL)
    return {leaf for model in models for leaf in checkpoints_in(model)}


def _put(graph: Graph, placement: Mapping[str, Placement], node: Node) -> Node:
    """Write a model's device into its declaration, or into what derives it."""
    placed = placement.get(checkpoint_of(node).identity) if node.is_checkpoint else None
    if placed is None:
        return node
    device = placed.place
    if node.declaration is None:
        return graph.replaced(node, device=device)
    declaration = node.declaration.model_copy(update={"device": device})
    return graph.replaced(node, declaration=declaration)


def _builds(
    compiled: Compiled, order: list[Node], placement: Mapping[str, Placement]
) -> Iterator[PlannedBuild]:
    """Yield the models that are built of others, those first that others are built of."""
    ids, loaded = _ids(order), _loaded(order)
    for node in order:
        if node.is_checkpoint and isinstance(model := checkpoint_of(node), Derived):
            donors = tuple(ids[donor] for donor in node.inputs)
            placed = placement.get(model.identity) if node in loaded else None
            yield PlannedBuild(
                id=ids[node],
                formula=model.formula(donors),
                donors=donors,
                device=placed.place if placed else None,
                why=placed.why if placed else "",
                parameters=model.card.parameters,
                bytes=model.card.bytes,
                memory=model.memory if model.tensors else None,
                place=_where(compiled, node),
                active=model.card.active,
            )


def plan_steps(compiled: Compiled, root: Node) -> tuple[PlannedStep, ...]:
    """Return the steps under a root in the order of work; models go by their names."""
    order = topological(root)
    ids = _ids(order)
    return tuple(_step(compiled, node, ids) for node in order if node.declaration is None)


def _ids(order: list[Node]) -> dict[Node, str]:
    """Name models by their names and everything else r0, r1, ... in the order of work."""
    ids: dict[Node, str] = {}
    steps, names = 0, set()
    for node in order:
        if node.declaration is not None:
            name = node.title
            while name in names:
                name += "'"
            ids[node] = name
            names.add(name)
        else:
            ids[node] = f"r{steps}"
            steps += 1
    return ids


def _step(compiled: Compiled, node: Node, ids: dict[Node, str]) -> PlannedStep:
    return PlannedStep(
        id=ids[node],
        op=node.op,
        inputs=tuple(ids[input_node] for input_node in node.inputs),
        maybe=tuple(ids[n] for n, waits in zip(node.inputs, node.waits, strict=True) if waits),
        options=tuple(_options(compiled, node)) if not node.is_query else (),
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
    set_by_rules = (name for name in node.step.set_by_rules if node.get(name))
    out += [
        PlannedOption(name=n, value=option_text(node.get(n)), default=False) for n in set_by_rules
    ]
    return out


def _models(
    compiled: Compiled, order: list[Node], placement: Mapping[str, Placement]
) -> Iterator[PlannedModel]:
    """Yield the declared models; one that others are only built of goes nowhere."""
    loaded = _loaded(order)
    for node in order:
        declaration = node.declaration
        if declaration is None:
            continue
        card = card_of(compiled.graph, node)
        identity = declaration.identity()
        placed = placement.get(identity) if node in loaded else None
        yield PlannedModel(
            name=node.get("name"),
            declaration=declared_text(declaration),
            identity=starred(identity),
            device=placed.place if placed else None,
            why=placed.why if placed else "",
            parameters=card.parameters,
            bytes=card.bytes,
            context=card.context,
            vocabulary=card.vocabulary,
            price=card.price,
            place=_where(compiled, node),
            processing=tuple(_processing(declaration)),
            active=card.active,
            stored=card.stored,
        )


def _processing(declaration: Declaration) -> Iterator[tuple[str, str]]:
    """Yield what is done to a model's logits wherever it writes."""
    if isinstance(declaration, Local):
        for name, value in declaration.weights.processing.set_options.items():
            yield name, option_text(value)


def _rules(fired: tuple[RuleUse, ...]) -> list[PlannedRule]:
    times: dict[str, int] = {}
    summaries: dict[str, str] = {}
    for use in fired:
        times[use.rule.name] = times.get(use.rule.name, 0) + 1
        summaries[use.rule.name] = use.rule.summary
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
