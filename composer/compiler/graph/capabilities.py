"""What members can do, held against what steps need, before anything is loaded."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from composer.compiler.graph.drafts import check_draft, needs_one_vocabulary
from composer.compiler.graph.facts import Facts
from composer.compiler.graph.fuses import check_fuse
from composer.compiler.graph.node import QUERY, WEIGHED, Node, topological
from composer.models import Capability, Card, ModelError
from composer.parts import SIGNALS
from composer.ports import Port
from composer.words import Diagnostic, Note

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from composer.compiler.graph.context import Context
    from composer.models import Declaration

FUSED = (
    Capability.TEXT
    | Capability.LOGPROBS
    | Capability.LOGITS
    | Capability.SCORE
    | Capability.CONTINUE
)
SPANS = Capability.TEXT | Capability.LOGPROBS | Capability.CONTINUE


@cache
def card_of(declaration: Declaration) -> Card:
    """Return what is known of a declared model; raises ModelError where that is a mistake."""
    return declaration.card()


def capabilities(model: Node) -> Capability:
    """Return what a model, or several fused into one, can do."""
    match model.op:
        case "model":
            return card_of(model.get("declaration")).capabilities
        case "token_fuse":
            return FUSED
        case "span_fuse" | "byte_fuse" | "handoff":
            return SPANS
        case _:
            return capabilities(model.inputs[0])


def check_capabilities(ctx: Context, answer: Node | None) -> None:
    """Check every model's folder or file, and every member against its step's needs."""
    sound = {node for node in ctx.declared if _readable(ctx, node)}
    if answer is None:
        return
    facts = Facts()
    for node in topological(answer):
        if node.op == QUERY:
            continue
        facts.learn(node)
        _check_votes(ctx, node, facts)
        models = [each for input_, each in node.paired() if input_.is_model]
        judged = node.inputs if node.op in ("cascade", "rank") else ()
        involved = [*models, *(writer for each in judged for writer in facts.wrote(each))]
        if all(leaf in sound for model in dict.fromkeys(involved) for leaf in declared_in(model)):
            _check_needs(ctx, node, models)
            _check_vocabularies(ctx, node)
            check_fuse(ctx, node)
            check_draft(ctx, node)
            _check_signals(ctx, node, facts)
            _check_scorer(ctx, node, models, facts)


def declared_in(model: Node) -> Iterator[Node]:
    """Yield the declared models that a model is made of."""
    return (node for node in topological(model) if node.op == "model")


def vocabulary(model: Node) -> str | None:
    """Return the one vocabulary of a model, None if its members' differ or are not known."""
    known = {card_of(leaf.get("declaration")).vocabulary for leaf in declared_in(model)}
    return known.pop() if len(known) == 1 else None


def _readable(ctx: Context, node: Node) -> bool:
    try:
        card = card_of(node.get("declaration"))
    except ModelError as error:
        where = ctx.declared[node]
        ctx.say(error.code, error.message, where, "declared here", help=error.help or "")
        return False
    for what in card.deferred:
        ctx.say("W501", f"`{node.get('name')}`: {what}", ctx.declared[node], "not checked yet")
    return True


def _check_needs(ctx: Context, node: Node, models: list[Node]) -> None:
    needed = node.step.needs
    if node.op == "route":
        needed = _named(node.get("by").needs)
        models, judges = _parted(models, node.get("judges"))
        _check_asked(ctx, node, judges)
        lone_fuse = len(models) == 1 and models[0].op in WEIGHED
        models = list(models[0].inputs) if lone_fuse else models
    for model in models:
        for lack in capabilities(model).missing(needed):
            ctx.mistakes.append(_lacks(ctx, node, model, lack))


def _parted(models: list[Node], last: int) -> tuple[list[Node], list[Node]]:
    """Split the last few off a list."""
    at = len(models) - last
    return models[:at], models[at:]


def _check_asked(ctx: Context, route: Node, judges: list[Node]) -> None:
    """Check that the models which a route's estimator asks can do what it asks of them."""
    needed = _named(route.get("by").asking) if judges else Capability(0)
    lacking = ((each, lack) for each in judges for lack in capabilities(each).missing(needed))
    ctx.mistakes.extend(_lacks(ctx, route, each, lack) for each, lack in lacking)


def _lacks(ctx: Context, node: Node, model: Node, lack: Capability) -> Diagnostic:
    leaf = next(iter(declared_in(model)))
    name = leaf.get("name") if model.op == "model" else model.op
    alone = f"`{name}` is declared here" if model.op == "model" else f"a member of `{name}`"
    why = card_of(leaf.get("declaration")).why.get(lack, alone)
    return Diagnostic(
        "E302",
        f"`{node.op}` needs {lack.words}, which `{name}` cannot give",
        ctx.graph.places.get(node),
        f"needs {lack.words}",
        notes=(Note(ctx.declared[leaf], why),),
        help=_instead(node, name),
    )


def _instead(node: Node, name: str) -> str:
    if node.op in ("token_fuse", "byte_fuse", "handoff"):
        return f"fuse whole answers instead: `[{name}, ...] -> vote()`, or declare a local model"
    if node.op == "span_fuse":
        return f"let whole answers compete: `[{name}, ...] -> rank(...) -> best()`"
    if node.op == "rank":
        return "order them by something else: `rank(by = consensus())` or `rank(D, by = judge())`"
    if node.op == "route":
        return "estimate from the query alone: `route(by = knn(...))` or `route(by = uniform())`"
    return ""


def _check_votes(ctx: Context, node: Node, facts: Facts) -> None:
    """Check that a vote has as many weights as answers, and can use them."""
    weights = node.get("weights") if node.op == "vote" else None
    if weights is None:
        return
    answers, place = facts.counts[node.inputs[0]], ctx.graph.places.get(node)
    if answers is not None and answers != len(weights):
        text = f"{answers} answers, but {len(weights)} weights"
        ctx.say("E403", text, place, "votes with them", help="give one weight an answer, in order")
    elif min(weights, default=0) < 0 or not any(weights):
        why = "a negative weight means nothing" if any(weights) else "all of them are 0"
        ctx.say("E402", f"nobody can vote with these weights: {why}", place, "votes with them")


def _check_vocabularies(ctx: Context, node: Node) -> None:
    if node.op != "token_fuse":
        return
    drafted = needs_one_vocabulary(node)
    if node.get("align").name != "shared" and not drafted:
        return
    leaves = list(dict.fromkeys(declared_in(node)))
    known = {leaf: card_of(leaf.get("declaration")).vocabulary for leaf in leaves}
    if None in known.values() or len(set(known.values())) == 1:
        return
    first = leaves[0]
    other = next(leaf for leaf in leaves if known[leaf] != known[first])
    ctx.say(
        "E305",
        f"`{first.get('name')}` and `{other.get('name')}` have different vocabularies",
        ctx.graph.places.get(node),
        "fuses them token by token",
        notes=tuple(Note(ctx.declared[leaf], "declared here") for leaf in (first, other)),
        help="equal vocabularies allow drafting: leave `draft` out, or say `draft = safe()`"
        if drafted
        else "say how they meet: `align = union()`, or fuse bytes or spans: `byte_fuse(...)`",
    )


def _check_signals(ctx: Context, node: Node, facts: Facts) -> None:
    if node.op != "cascade":
        return
    signals = [SIGNALS[name] for name in sorted(node.get("accept").signals())]
    given, *stages = node.inputs
    judged = stages[:-1] if given.port is Port.QUERY else [given, *stages[:-1]]
    first = judged[0]
    unvoted = {each.name for each in signals if each.votes and first not in facts.voted}
    for model in dict.fromkeys(model for each in judged for model in facts.wrote(each)):
        lost = {s.name for s in signals if _named(s.needs) & ~capabilities(model)}
        if lost and node.get("accept").never_known(lost | unvoted):
            _unknown_signal(ctx, node, min(lost), model)
    if unvoted and node.get("accept").never_known(unvoted):
        ctx.say(
            "W301",
            "no vote comes before this cascade, so its rule is never known",
            ctx.graph.places.get(node),
            "asks the next stage every time",
            help="vote first: `sample(A, 5) -> vote() -> cascade(D, accept = agreement >= 0.6)`",
        )


def _check_scorer(ctx: Context, node: Node, judges: list[Node], facts: Facts) -> None:
    """Check that a ranking's judges are wanted, and that it can know what it scores by."""
    if node.op != "rank":
        return
    from composer.steps.ranking import default_scorer

    scorer = node.get("by") or default_scorer(judges=bool(judges))
    place = ctx.graph.places.get(node)
    if scorer.judging is None and judges:
        text = f"`{scorer.name}` asks no model, but `rank` is given one"
        ctx.say("E206", text, place, "takes no judge", help="leave it out, or `by = judge()`")
    if scorer.judging is not None and not judges:
        text = f"`{scorer.name}` needs a model that judges"
        ctx.say("E206", text, place, "no judge given", help=f"`rank(D, by = {scorer.name}())`")
    for model in judges:
        for lack in capabilities(model).missing(_named(scorer.judging or ())):
            ctx.mistakes.append(_lacks(ctx, node, model, lack))
    for model in facts.wrote(node.inputs[0]):
        for lack in capabilities(model).missing(_named(scorer.needs)):
            ctx.mistakes.append(_lacks(ctx, node, model, lack))


def _named(names: Iterable[str]) -> Capability:
    """Return the capabilities that parts name, as one flag."""
    flags = Capability(0)
    for name in names:
        flags |= Capability[name.upper()]
    return flags


def _unknown_signal(ctx: Context, node: Node, signal: str, model: Node) -> None:
    leaf = next(iter(declared_in(model)))
    ctx.say(
        "W301",
        f"the {signal} of `{leaf.get('name')}` cannot be known, so the next stage is always asked",
        ctx.graph.places.get(node),
        "its rule needs it",
        notes=(Note(ctx.declared[leaf], "gives no log-probabilities"),),
    )
