"""What lowering says when a recipe cannot mean what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.compiler.graph.scope import label
from composer.diagnostics import Diagnostic, Note
from composer.syntax import tree, unparse
from composer.values import Port

COMPARISONS = frozenset({"<", "<=", ">", ">=", "==", "!="})

if TYPE_CHECKING:
    from composer.compiler.graph.context import Context
    from composer.compiler.graph.node import Node
    from composer.compiler.graph.scope import Binding
    from composer.diagnostics import Place


def check_wire(
    ctx: Context, node: Node, accepted: frozenset[Port], taker: str, place: Place
) -> bool:
    """Say whether a wire may enter where `accepted` is taken; if not, record the mistake."""
    if node.port.fits(accepted):
        return True
    accepted_text = " or ".join(sorted(port.value for port in accepted))
    before = ctx.graph.places.get(node)
    notes = (Note(before, f"gives {node.port.value}"),) if before and before != place else ()
    ctx.say(
        "E301",
        f"{taker} takes {accepted_text}, but is given {node.port.value}",
        place,
        f"takes {accepted_text}",
        notes=notes,
        help=_ranked_again(node, taker) or _advice(node.port, accepted),
    )
    return False


def check_branch(
    ctx: Context, node: Node, accepted: frozenset[Port], who: str, place: Place
) -> bool:
    """Say whether a branch gives what it has to; if not, record the mistake."""
    if node.port.fits(accepted):
        return True
    several = Port.CANDIDATES in accepted
    words = "answers" if several else " or ".join(sorted(port.value for port in accepted))
    text = f"{who} must give {words}, but this one gives {node.port.value}"
    help_ = _advice(node.port, accepted)
    ctx.say("E301", text, place, f"gives {node.port.value}", help=help_)
    return False


def _ranked_again(node: Node, taker: str) -> str:
    """Say how to choose the best answer where `top` was put before `best`."""
    if node.is_query or node.step.name != "top" or taker != "`best`":
        return ""
    return "`top` gives Candidates: write `rank(...) -> best()`, or choose with `vote()`"


def _advice(port: Port, accepted: frozenset[Port]) -> str:
    several = port in (Port.CANDIDATES, Port.RANKING)
    if several and Port.TEXT in accepted:
        return "choose one answer first: `vote()`, `rank(...) -> best()` or `regenerate(M)`"
    if port is Port.CANDIDATES and accepted == {Port.RANKING}:
        return "order them first: `rank(...)`"
    if port is Port.TEXT and accepted == {Port.RANKING}:
        return "ask several models and order their answers first: `[A, B] -> rank(...)`"
    if port is Port.QUERY:
        return "ask models first: `[A, B] -> ...`"
    if Port.QUERY in accepted:
        return 'write a new query from it first: `prompt("""...""")`'
    return ""


def model_needs_query(ctx: Context, expr: tree.Expr, wire: Node) -> None:
    """Say that text reaches a model only through a prompt."""
    before = ctx.graph.places.get(wire)
    ctx.mistakes.append(
        Diagnostic(
            "E303",
            f"a model takes a query, but is given {wire.port.value}",
            expr.place,
            "takes a query",
            notes=(Note(before, f"gives {wire.port.value}"),) if before else (),
            help=f'write a query for it: `prompt("""...""") -> {label(expr)}` or '
            f"`regenerate({label(expr)})`",
        )
    )


def branches_need_query(ctx: Context, bank: tree.Branches, wire: Node) -> None:
    """Say that a bank asks its branches a question."""
    before = ctx.graph.places.get(wire)
    ctx.say(
        "E301",
        f"a bank takes a query, but is given {wire.port.value}",
        bank.place,
        "takes a query",
        notes=(Note(before, f"gives {wire.port.value}"),) if before else (),
        help="write a query for its branches: `prompt(aggregate) -> [...]`",
    )


def route_without_branches(ctx: Context, at: tree.Expr) -> None:
    """Say that a route needs something to choose among."""
    ctx.say(
        "E304",
        "`route` needs a bank or a fuse after it",
        at.place,
        "nothing to choose among",
        help="add one: `route -> [A, B]`",
    )


def nothing_to_decide(ctx: Context, route: tree.Expr, branch: tree.Branch) -> None:
    """Warn of a route that feeds one branch."""
    text = "this route has nothing to decide: the bank after it has one branch"
    notes = (Note(branch.place, "the only branch"),)
    ctx.say("W302", text, route.place, "always takes that branch", notes=notes)


def routed_fallback(ctx: Context, route: tree.Expr, fallback: tree.Fallback) -> None:
    """Say that a route feeds a fallback, where its bank was probably meant."""
    ctx.say(
        "E301",
        "this route is followed by a fallback, not by a bank: `|` binds tighter than `->`",
        route.place,
        "needs a bank after it",
        notes=(Note(fallback.place, "the fallback"),),
        help=f"put brackets around the route and its bank: `(... -> {unparse(fallback.choices[0])})"
        f" | {unparse(fallback.choices[-1])}`",
    )


def not_a_step(ctx: Context, expr: tree.Expr) -> None:
    """Say that an expression cannot be asked."""
    formula = isinstance(expr, tree.Binary | tree.Unary)
    ctx.say(
        "E405" if formula else "E301",
        "a formula is not a step" if formula else f"`{unparse(expr)}` is not a step",
        expr.place,
        "not a step",
        help=step_instead(expr),
    )


def step_instead(expr: tree.Expr) -> str:
    """Say what was probably meant by an expression that is no step."""
    from composer.methods import find_part

    if isinstance(expr, tree.Binary) and expr.op in COMPARISONS:
        left, right = unparse(expr.left), unparse(expr.right)
        if isinstance(expr.left, tree.Name) and find_part("signal", expr.left.id):
            return f"use a condition as an option: `cascade(..., accept = {unparse(expr)})`"
        return f"pass a value on with an arrow: `{left} -> {right}`"
    if isinstance(expr, tree.Binary | tree.Unary):
        return f"put it into a fuse: `token_fuse({unparse(expr)})`"
    return "a step is a model, a call such as `vote()`, a bank, or a chain of them"


def check_branch_names(ctx: Context, bank: tree.Branches) -> bool:
    """Say whether the branches of a bank have names of their own; if not, record the mistake."""
    written = {branch.name for branch in bank.branches if branch.name}
    branches: dict[str, tree.Branch] = {}
    for branch in bank.branches:
        name = branch.name or label(branch.value)
        if name in branches and name in written:
            text = f"two branches of this bank are named `{name}`"
            notes = (Note(branches[name].place, "first named here"),)
            ctx.say("E204", text, branch.place, "again here", notes=notes, help="rename one")
            return False
        branches.setdefault(name, branch)
    return True


def judged_by_models(ctx: Context, estimator: str, branch: tree.Branch) -> None:
    """Say that an estimator which asks models is given a branch that is more than one model."""
    ctx.say(
        "E302",
        f"`{estimator}` asks the model of each branch, but `{label(branch.value)}` is not a "
        "single model",
        branch.place,
        "not a single model",
        help="use an estimator that reads only the query: `route(by = knn(...))` or `route(by = "
        "uniform())`",
    )


def judges_unfit(ctx: Context, route: Node) -> bool:
    """Say that a route's estimator asks no model but is given one, or that it is given none."""
    from composer.methods import Judging

    by, judges = route.get("by"), route.get("judges")
    asks, place = isinstance(by, Judging), ctx.graph.places.get(route)
    if judges and not asks:
        text = f"`{by.name}` does not ask a model, but `route` is given one"
        ctx.say(
            "E206",
            text,
            place,
            "asks no model",
            help="leave the model out, or write `by = asked()`",
        )
    elif asks and not judges:
        text = f"`{by.name}` needs a model to ask"
        ctx.say(
            "E206",
            text,
            place,
            "no model given",
            help=f"name the model: `route(M, by = {by.name}())`",
        )
    return asks != bool(judges)


def defined_by_itself(ctx: Context, binding: Binding, at: tree.Expr) -> None:
    """Say that a name leads back to itself."""
    text = f"the definition of `{binding.name}` uses itself"
    notes = (Note(binding.place, "defined here"),)
    ctx.say("E205", text, at.place, "uses itself", notes=notes)
