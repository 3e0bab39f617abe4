"""Lowering: an expression and the wire that reaches it become a node of the graph.

Every function here is a generator that yields the lowering of what it needs (`context.run`), so
that the depth of a recipe is bounded by memory and not by the stack. A None stands for something
that already was a mistake; whatever depends on it stays silent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.compiler.graph.calls import fill, options_of, place_inputs
from composer.compiler.graph.formulas import is_formula, terms
from composer.compiler.graph.scope import Binding, Scope, unknown
from composer.compiler.graph.values import Bad, bound_value, follow, match
from composer.models import BACKENDS
from composer.parts import Logs
from composer.ports import Port
from composer.ports.values import unique
from composer.steps import STEPS, Role, Step
from composer.syntax import tree, unparse
from composer.words import Diagnostic, Note

if TYPE_CHECKING:
    from composer.compiler.graph.context import Context, Lowered
    from composer.compiler.graph.node import Node
    from composer.words import Place


def expression(ctx: Context, expr: tree.Expr, wire: Node, scope: Scope) -> Lowered:
    """Lower an expression in step position: what it gives when a wire reaches it."""
    key = (id(expr), wire, scope)
    if key not in ctx.memo:
        ctx.memo[key] = yield _expression(ctx, expr, wire, scope)
    return ctx.memo[key]


def _expression(ctx: Context, expr: tree.Expr, wire: Node, scope: Scope) -> Lowered:
    match expr:
        case tree.Chain():
            return (yield _chain(ctx, expr, wire, scope))
        case tree.Bank():
            return (yield _bank(ctx, expr, wire, scope))
        case tree.Fallback():
            return (yield _fallback(ctx, expr, wire, scope))
        case tree.Name():
            return (yield _name(ctx, expr, wire, scope))
        case tree.Call():
            return (yield _call(ctx, expr, wire, scope))
        case _:
            _not_a_step(ctx, expr)
            return None


def _chain(ctx: Context, chain: tree.Chain, wire: Node, scope: Scope) -> Lowered:
    route: tuple[tree.Name | tree.Call, Scope] | None = None
    given: Node | None = wire
    for stage in chain.stages:
        if given is None:
            return None
        if route is not None:
            given = yield _decided(ctx, route, stage, given, scope)
            route = None
        else:
            route = _as_route(stage, scope)
            if route is None:
                given = yield expression(ctx, stage, given, scope)
    if route is not None:
        _lonely_route(ctx, route[0])
        return None
    return given


def _bank(ctx: Context, bank: tree.Bank, wire: Node, scope: Scope) -> Lowered:
    if not bank.branches:
        ctx.say("E206", "a bank needs at least one branch", bank.place, "empty")
        return None
    if wire.port is not Port.QUERY:
        _bank_needs_query(ctx, bank, wire)
        return None
    nodes = yield _branches(ctx, bank, wire, scope)
    if nodes is None:
        return None
    names = branch_names(bank)
    for node, branch in zip(nodes, bank.branches, strict=True):
        accepted = frozenset({Port.TEXT, Port.CANDIDATES, Port.RANKING})
        if not _fits(ctx, node, accepted, "a bank", branch.place):
            return None
    return ctx.graph.node("bank", nodes, {"names": names}, bank.place)


def _branches(ctx: Context, bank: tree.Bank, wire: Node, scope: Scope) -> Lowered:
    nodes = []
    for branch in bank.branches:
        nodes.append((yield expression(ctx, branch.value, wire, scope)))
    return tuple(nodes) if all(nodes) else None  # type: ignore[return-value]


def _fallback(ctx: Context, expr: tree.Fallback, wire: Node, scope: Scope) -> Lowered:
    nodes = []
    for choice in expr.choices:
        nodes.append((yield expression(ctx, choice, wire, scope)))
    if not all(nodes):
        return None
    for node, choice in zip(nodes[1:], expr.choices[1:], strict=True):
        if not _fits(ctx, node, frozenset({nodes[0].port}), "this fallback", choice.place):
            return None
    names = unique(label(choice) for choice in expr.choices)
    return ctx.graph.node("fallback", tuple(nodes), {"names": names}, expr.place)


def _name(ctx: Context, expr: tree.Name, wire: Node, scope: Scope) -> Lowered:
    binding = scope.find(expr.id)
    if binding is None:
        call = tree.Call(expr.id, (), expr.place, expr.place)
        return (yield _step(ctx, call, wire, scope, expr))
    value = bound_value(binding)
    if value is not None:
        return (yield _through(ctx, binding, expression(ctx, value, wire, binding.scope), expr))
    if isinstance(binding.statement, tree.Model):
        model = yield model_of(ctx, expr, scope)
        return (yield _generate(ctx, expr, model, wire, scope))
    return (yield _call(ctx, tree.Call(expr.id, (), expr.place, expr.place), wire, scope))


def _call(ctx: Context, call: tree.Call, wire: Node, scope: Scope) -> Lowered:
    binding = scope.find(call.function)
    match binding and binding.statement:
        case None:
            return (yield _step(ctx, call, wire, scope, call))
        case tree.Def():
            inner = _instance(ctx, call, binding, scope)
            if inner is None:
                return None
            return (yield expression(ctx, binding.statement.value, wire, inner))
        case tree.Use():
            return (yield _used(ctx, call, wire, scope, binding))
        case _:
            name = tree.Name(call.function, call.function_place)
            model = yield model_of(ctx, name, scope)
            return (yield _generate(ctx, call, model, wire, scope))


def _step(
    ctx: Context, call: tree.Call, wire: Node, scope: Scope, at: tree.Name | tree.Call
) -> Lowered:
    step = STEPS.get(call.function)
    if step is None or step.sign:
        public = [name for name, each in STEPS.items() if not each.sign]
        known = sorted({*scope.visible(), *public})
        what = "step" if isinstance(at, tree.Call) else "name"
        ctx.mistakes.append(unknown(call.function, call.function_place, known, what))
        return None
    if step.gives is Port.MODEL:
        model = yield model_of(ctx, call, scope)
        return (yield _generate(ctx, call, model, wire, scope))
    if step.gives is Port.DECISION:
        _lonely_route(ctx, at)
        return None
    if step.wire and not _fits(ctx, wire, step.wire.ports, f"`{step.name}`", call.function_place):
        return None
    return (yield _build(ctx, step, call, wire, scope, at))


def _build(  # noqa: PLR0913 - a call, where it stands and what reaches it
    ctx: Context,
    step: Step,
    call: tree.Call,
    wire: Node | None,
    scope: Scope,
    at: tree.Expr,
    **hidden: object,
) -> Lowered:
    """Lower a call of a step: its inputs, then its options."""
    try:
        written, rest = place_inputs(step, call)
    except Bad as bad:
        ctx.catch(bad)
        return None
    nodes = []
    for input_, expr in written:
        if input_.role is Role.LATER:
            nodes.append((yield _branch(ctx, step, expr, wire, scope, input_.ports)))
        else:
            nodes.append((yield model_of(ctx, expr, scope)))
    if step.options.model_fields.get("draw"):
        hidden["draw"] = ctx.draw(at, scope)
    options = fill(ctx, step, rest, scope, call, hidden)
    if options is None or not all(nodes):
        return None
    inputs = (wire, *nodes) if step.wire and wire else tuple(nodes)
    if not _enough(ctx, step, call, inputs):
        return None
    return ctx.graph.node(step.name, inputs, options, at.place)


def _branch(  # noqa: PLR0913 - a branch, where it stands and what it may give
    ctx: Context,
    step: Step,
    expr: tree.Expr,
    wire: Node | None,
    scope: Scope,
    ports: frozenset[Port],
) -> Lowered:
    query = origin(wire) if wire is not None else None
    if query is None:
        return None
    node = yield expression(ctx, expr, query, scope)
    if node is not None and not _fits(ctx, node, ports, f"`{step.name}`", expr.place):
        return None
    return node


def _generate(
    ctx: Context, expr: tree.Name | tree.Call, model: Node | None, wire: Node, scope: Scope
) -> Lowered:
    """Ask a model in step position."""
    if model is None:
        return None
    if wire.port is not Port.QUERY:
        _model_needs_query(ctx, expr, wire)
        return None
    own = STEPS.get(expr.function) if isinstance(expr, tree.Call) else None
    takes_options = isinstance(expr, tree.Call) and (own is None or scope.find(expr.function))
    arguments = expr.arguments if takes_options and isinstance(expr, tree.Call) else ()
    place = expr.function_place if isinstance(expr, tree.Call) else expr.place
    call = tree.Call("generate", arguments, expr.place, place)
    hidden = {"draw": ctx.draw(expr, scope)}
    options = options_of(ctx, STEPS["generate"], call, scope, hidden)
    if options is None:
        return None
    return ctx.graph.node("generate", (wire, model), options, expr.place)
    yield  # a generator, like its neighbours


def _decided(
    ctx: Context,
    route: tuple[tree.Name | tree.Call, Scope],
    target: tree.Expr,
    wire: Node,
    scope: Scope,
) -> Lowered:
    """Lower `route -> [a, b]`, or `route -> fuse`, which is a bank of one."""
    (call, call_scope), query = route, origin(wire)
    bank, bank_scope = follow(target, scope)
    if not isinstance(bank, tree.Bank):
        bank = tree.Bank((tree.Branch(None, target, target.place),), target.place)
        bank_scope = scope
    if query is None or wire.port is not Port.QUERY:
        _fits(ctx, wire, frozenset({Port.QUERY}), "`route`", call.place)
        return None
    branches = yield _branches(ctx, bank, wire, bank_scope)
    if branches is None:
        return None
    texts = zip(branches, bank.branches, strict=True)
    if not all(_fits(ctx, n, frozenset({Port.TEXT}), "a routed bank", b.place) for n, b in texts):
        return None
    names = branch_names(bank)
    decision = _route(ctx, call, call_scope, wire, branches, names)
    if decision is None:
        return None
    policy = decision.get("policy")
    op = "choose_many" if policy and policy.many and len(branches) > 1 else "choose"
    return ctx.graph.node(op, (decision, *branches), {"names": names}, bank.place)


def _route(  # noqa: PLR0913 - the call, where it stands and what it decides among
    ctx: Context,
    at: tree.Name | tree.Call,
    scope: Scope,
    query: Node,
    branches: tuple[Node, ...],
    names: tuple[str, ...],
) -> Node | None:
    call = at if isinstance(at, tree.Call) else tree.Call(at.id, (), at.place, at.place)
    models = tuple(n.inputs[1] for n in branches if n.op == "generate" and n.inputs[0] is query)
    known = models if len(models) == len(branches) else ()
    hidden = {"names": names, **choices(known, len(names))}
    options = options_of(ctx, STEPS["route"], call, scope, hidden)
    if options is None:
        return None
    return ctx.graph.node("route", (query, *known), options, at.place)


def model_of(ctx: Context, expr: tree.Expr, scope: Scope) -> Lowered:
    """Lower an expression where a model is wanted: a name, a fuse, or a prompt before one."""
    key = ("model", id(expr), scope)
    if key not in ctx.memo:
        ctx.memo[key] = yield _model_of(ctx, expr, scope)
    return ctx.memo[key]


def _model_of(ctx: Context, expr: tree.Expr, scope: Scope) -> Lowered:
    match expr:
        case tree.Name(id=name):
            return (yield _model_named(ctx, name, expr, scope))
        case tree.Call(function=name):
            return (yield _model_called(ctx, name, expr, scope))
        case tree.Bank(branches=(branch,)):
            return (yield model_of(ctx, branch.value, scope))
        case tree.Chain(stages=(*before, last)):
            return (yield _model_prompted(ctx, before, last, scope))
        case _:
            _not_a_model(ctx, expr)
            return None


def _model_named(ctx: Context, name: str, expr: tree.Name, scope: Scope) -> Lowered:
    binding = scope.find(name)
    if binding is None:
        known = sorted(set(scope.visible()))
        ctx.mistakes.append(unknown(name, expr.place, known))
        return None
    value = bound_value(binding)
    if value is not None:
        return (yield _through(ctx, binding, model_of(ctx, value, binding.scope), expr))
    if isinstance(binding.statement, tree.Model):
        return declared(ctx, binding)
    if not isinstance(binding.statement, tree.Use) or name in binding.scope.used:
        _not_a_model(ctx, expr)
    return None


def _model_called(ctx: Context, name: str, call: tree.Call, scope: Scope) -> Lowered:
    binding = scope.find(name)
    if binding is not None and isinstance(binding.statement, tree.Def):
        inner = _instance(ctx, call, binding, scope)
        if inner is None:
            return None
        return (yield model_of(ctx, binding.statement.value, inner))
    step = STEPS.get(name)
    if binding is not None or step is None or step.gives is not Port.MODEL or step.sign:
        _not_a_model(ctx, call)
        return None
    return (yield _fused(ctx, step, call, scope))


def _fused(ctx: Context, step: Step, call: tree.Call, scope: Scope) -> Lowered:
    """Lower a fuse, whose members may be a list, or one formula."""
    call = _spliced(call, scope)
    hidden: dict[str, object] = {}
    members = [a for a in call.arguments if a.name is None]
    if len(members) == 1 and step.formula and is_formula(members[0].value):
        try:
            written = terms(ctx.values, members[0].value, scope)
        except Bad as bad:
            ctx.catch(bad)
            return None
        named = tuple(tree.Argument(None, e, e.place, e.place) for e, _, _ in written)
        call = tree.Call(
            call.function,
            (*named, *(a for a in call.arguments if a.name)),
            call.place,
            call.function_place,
        )
        members = list(named)
        hidden = {"combine": Logs(), "normalize": False, "weights": tuple(c for *_, c in written)}
    hidden["names"] = unique(label(a.value) for a in members)
    node = yield _build(ctx, step, call, None, scope, call, **hidden)
    if node is None:
        return None
    weights = node.get("weights")
    if weights is not None and len(weights) != len(node.inputs):
        _unlike_weights(ctx, call, len(node.inputs), len(weights))
        return None
    return node


def _spliced(call: tree.Call, scope: Scope) -> tree.Call:
    """Put the branches of a list given as members in its place: `fuse(members)`."""
    out: list[tree.Argument] = []
    for argument in call.arguments:
        value, _ = follow(argument.value, scope)
        if argument.name is None and isinstance(value, tree.Bank):
            out += [tree.Argument(None, b.value, b.place, b.place) for b in value.branches]
        else:
            out.append(argument)
    return tree.Call(call.function, tuple(out), call.place, call.function_place)


def _model_prompted(
    ctx: Context, before: list[tree.Expr], last: tree.Expr, scope: Scope
) -> Lowered:
    model = yield model_of(ctx, last, scope)
    for stage in reversed(before):
        if not isinstance(stage, tree.Call) or stage.function != "prompt":
            _not_a_model(ctx, stage)
            return None
        options = options_of(ctx, STEPS["prompt"], stage, scope, {})
        if options is None or model is None:
            return None
        template = {"template": options["template"]}
        model = ctx.graph.node("prompted", (model,), template, stage.place)
    return model


def declared(ctx: Context, binding: Binding) -> Node | None:
    """Return the node of a declared model, made once."""
    key = ("declared", id(binding.statement), binding.scope)
    if key not in ctx.memo:
        ctx.memo[key] = _declare(ctx, binding)
    return ctx.memo[key]


def _declare(ctx: Context, binding: Binding) -> Node | None:
    statement = binding.statement
    assert isinstance(statement, tree.Model)
    call = statement.value
    if call.function not in BACKENDS:
        ctx.mistakes.append(unknown(call.function, call.function_place, list(BACKENDS), "backend"))
        return None
    try:
        declaration = ctx.values.typed(call, BACKENDS[call.function], binding.scope)
    except Bad as bad:
        ctx.catch(bad)
        return None
    options = {"declaration": declaration, "name": statement.name}
    node = ctx.graph.node("model", (), options, statement.place)
    ctx.declared[node] = statement.name_place
    return node


def _instance(ctx: Context, call: tree.Call, binding: Binding, scope: Scope) -> Scope | None:
    """Return the scope of one use of a `def`: its parameters bound to what is given."""
    definition = binding.statement
    assert isinstance(definition, tree.Def)
    names = [parameter.name for parameter in definition.parameters]
    try:
        given = match(call, names, names)
    except Bad as bad:
        ctx.catch(bad)
        return None
    if scope.within(definition):
        _cycle(ctx, binding, call)
        return None
    inner = Scope(binding.scope.folder, parent=binding.scope)
    inner.definition, inner.caller = definition, scope
    for parameter in definition.parameters:
        if parameter.name not in given and parameter.default is None:
            text = f"`{definition.name}` needs `{parameter.name}`"
            notes = (Note(definition.name_place, "defined here"),)
            ctx.say("E206", text, call.place, f"`{parameter.name}` is missing", notes=notes)
            return None
        written = given.get(parameter.name)
        value, home = (written.value, scope) if written else (parameter.default, inner)
        bound = Binding(parameter.name, parameter, home, parameter.place, value)
        inner.names[parameter.name] = bound
    return inner


def _used(
    ctx: Context, call: tree.Call, wire: Node, scope: Scope, binding: Binding
) -> Lowered:
    """Lower a whole recipe used as a step: `moa(doubt = 0.5)`."""
    used = binding.scope.used.get(binding.name)
    if used is None:
        return None
    params = [n for n, b in used.names.items() if isinstance(b.statement, tree.Param)]
    try:
        given = match(call, [], params)
    except Bad as bad:
        ctx.catch(bad)
        return None
    if used.answer is None:
        ctx.say("E207", f"`{binding.name}` has no answer, so it is no step", call.place, "here")
        return None
    inner = used.copied({name: (a.value, scope) for name, a in given.items()})
    if not _fits(ctx, wire, frozenset({Port.QUERY}), f"`{binding.name}`", call.place):
        return None
    return (yield expression(ctx, used.answer.value, wire, inner))


def _through(ctx: Context, binding: Binding, work: Lowered, at: tree.Expr) -> Lowered:
    """Lower what a name stands for, unless it stands for itself."""
    if binding in ctx.active:
        _cycle(ctx, binding, at)
        work.close()
        return None
    ctx.active.add(binding)
    result = yield work
    ctx.active.discard(binding)
    return result


def _cycle(ctx: Context, binding: Binding, at: tree.Expr) -> None:
    text = f"`{binding.name}` is defined by itself"
    notes = (Note(binding.place, "defined here"),)
    ctx.say("E205", text, at.place, "leads back to itself", notes=notes)


def _as_route(stage: tree.Expr, scope: Scope) -> tuple[tree.Name | tree.Call, Scope] | None:
    """Return the call of `route` that a stage is, directly or through a name."""
    expr, home = follow(stage, scope)
    name = expr.id if isinstance(expr, tree.Name) else getattr(expr, "function", None)
    step = STEPS.get(name or "")
    if step is None or step.gives is not Port.DECISION or home.find(name or "") is not None:
        return None
    assert isinstance(expr, tree.Name | tree.Call)
    return expr, home


def origin(wire: Node) -> Node | None:
    """Return the query that a wire's value belongs to."""
    return wire if wire.port is Port.QUERY else wire.origin


def label(expr: tree.Expr) -> str:
    """Name a branch or a member by what it is."""
    match expr:
        case tree.Name(id=name):
            return name
        case tree.Chain(stages=stages):
            return label(stages[-1])
        case tree.Bank(branches=(branch,)):
            return branch.name or label(branch.value)
        case tree.Call(function=name, arguments=arguments):
            names = [label(a.value) for a in arguments if isinstance(a.value, tree.Name)]
            return f"{name}({', '.join(names)})" if names else name
        case _:
            return unparse(expr)


def branch_names(bank: tree.Bank) -> tuple[str, ...]:
    """Return the names of a bank's branches: those written, else what each branch is."""
    return unique(branch.name or label(branch.value) for branch in bank.branches)


def choices(models: tuple[Node, ...], count: int) -> dict[str, object]:
    """Return what `route` is told of its choices: names in data files, and prices."""
    if not models:
        return {"aliases": ((),) * count, "prices": (None,) * count}
    cards = [m.get("declaration") if m.op == "model" else None for m in models]
    return {
        "aliases": tuple(tuple(d.aliases) if d else () for d in cards),
        "prices": tuple(sum(d.price) / 2 if d and d.price else None for d in cards),
    }


def _fits(
    ctx: Context, node: Node, accepted: frozenset[Port], taker: str, place: Place
) -> bool:
    if node.port.fits(accepted):
        return True
    wanted = " or ".join(sorted(port.value for port in accepted))
    before = ctx.graph.places.get(node)
    notes = (Note(before, f"gives {node.port.value}"),) if before and before != place else ()
    ctx.say(
        "E301",
        f"{taker} takes {wanted}, but is given {node.port.value}",
        place,
        f"takes {wanted}",
        notes=notes,
        help=_advice(node.port, accepted),
    )
    return False


def _advice(port: Port, accepted: frozenset[Port]) -> str:
    several = port in (Port.CANDIDATES, Port.RANKING)
    if several and Port.TEXT in accepted:
        return "settle on one answer first: `vote()`, `rank(...) -> best()` or `regenerate(M)`"
    if port is Port.CANDIDATES and accepted == {Port.RANKING}:
        return "order them first: `rank(...)`"
    if port is Port.QUERY:
        return "ask models first: `[A, B] -> ...`"
    if Port.QUERY in accepted:
        return 'make a question of it first: `prompt("""...""")`'
    return ""


def _enough(ctx: Context, step: Step, call: tree.Call, inputs: tuple[Node, ...]) -> bool:
    """Check that no input is missing."""
    needed = sum(not each.optional and not each.variadic for each in step.inputs)
    first = inputs[0].port if inputs else None
    if step.name == "cascade":
        needed = 3 if first is Port.QUERY else 2
    elif step.inputs and step.inputs[-1].variadic and not step.wire:
        needed = 1
    if len(inputs) >= needed:
        return True
    missing = step.inputs[min(len(inputs), len(step.inputs) - 1)].name
    help_ = ""
    if step.name == "cascade" and first is Port.QUERY:
        help_ = "given a query, its first model answers and the next one is asked in doubt"
    ctx.say(
        "E206",
        f"`{step.name}` needs {'more ' if len(inputs) > 1 else ''}`{missing}`",
        call.place,
        "too few",
        help=help_,
    )
    return False


def _model_needs_query(ctx: Context, expr: tree.Expr, wire: Node) -> None:
    before = ctx.graph.places.get(wire)
    ctx.mistakes.append(
        Diagnostic(
            "E303",
            f"a model takes a query, but is given {wire.port.value}",
            expr.place,
            "takes a query",
            notes=(Note(before, f"gives {wire.port.value}"),) if before else (),
            help=f'say what it is asked: `prompt("""...""") -> {label(expr)}`'
            f" or `regenerate({label(expr)})`",
        )
    )


def _bank_needs_query(ctx: Context, bank: tree.Bank, wire: Node) -> None:
    before = ctx.graph.places.get(wire)
    ctx.say(
        "E301",
        f"a bank takes a query, but is given {wire.port.value}",
        bank.place,
        "takes a query",
        notes=(Note(before, f"gives {wire.port.value}"),) if before else (),
        help="say what its branches are asked: `prompt(aggregate) -> [...]`",
    )


def _lonely_route(ctx: Context, at: tree.Expr) -> None:
    ctx.say(
        "E304",
        "`route` decides among the branches of a bank, but feeds none",
        at.place,
        "feeds nothing that it could choose among",
        help="follow it with a bank or a fuse: `route -> [A, B]`",
    )


def _not_a_step(ctx: Context, expr: tree.Expr) -> None:
    formula = isinstance(expr, tree.Binary | tree.Unary)
    ctx.say(
        "E405" if formula else "E301",
        "a formula is no step" if formula else f"`{unparse(expr)}` is no step",
        expr.place,
        "cannot be asked",
        help=f"fuse it: `token_fuse({unparse(expr)})`" if formula else "",
    )


def _not_a_model(ctx: Context, expr: tree.Expr) -> None:
    ctx.say(
        "E301",
        f"a model is wanted here, but `{label(expr)}` is none",
        expr.place,
        "not a model",
        help="name a model, a fuse, or `prompt(...) -> M`",
    )


def _unlike_weights(ctx: Context, call: tree.Call, members: int, weights: int) -> None:
    argument = next((a for a in call.arguments if a.name == "weights"), None)
    ctx.say(
        "E403",
        f"{members} members, but {weights} weights",
        argument.value.place if argument else call.place,
        f"should be {members}",
        notes=(Note(call.function_place, f"has {members} members"),),
        help="give one weight a member, in order",
    )
