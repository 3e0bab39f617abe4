"""What lowering says when a recipe cannot mean what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.compiler.graph.naming import label
from composer.diagnostics import Diagnostic, Note
from composer.syntax import tree, unparse
from composer.values import Port

COMPARISONS = frozenset({"<", "<=", ">", ">=", "==", "!="})

if TYPE_CHECKING:
    from composer.compiler.graph.context import Context
    from composer.compiler.graph.node import Node
    from composer.compiler.graph.scope import Binding
    from composer.diagnostics import Place
    from composer.specs import Problem


def fits(ctx: Context, node: Node, accepted: frozenset[Port], taker: str, place: Place) -> bool:
    """Say whether a wire may enter where `accepted` is taken; if not, record the mistake."""
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


def gives(ctx: Context, node: Node, wanted: frozenset[Port], who: str, place: Place) -> bool:
    """Say whether a branch gives what it has to; if not, record the mistake."""
    if node.port.fits(wanted):
        return True
    several = Port.CANDIDATES in wanted
    words = "answers" if several else " or ".join(sorted(port.value for port in wanted))
    text = f"{who} gives {words}, but this one gives {node.port.value}"
    help_ = _advice(node.port, wanted)
    ctx.say("E301", text, place, f"gives {node.port.value}", help=help_)
    return False


def _advice(port: Port, accepted: frozenset[Port]) -> str:
    several = port in (Port.CANDIDATES, Port.RANKING)
    if several and Port.TEXT in accepted:
        return "settle on one answer first: `vote()`, `rank(...) -> best()` or `regenerate(M)`"
    if port is Port.CANDIDATES and accepted == {Port.RANKING}:
        return "order them first: `rank(...)`"
    if port is Port.TEXT and accepted == {Port.RANKING}:
        return "ask several and order them first: `[A, B] -> rank(...)`"
    if port is Port.QUERY:
        return "ask models first: `[A, B] -> ...`"
    if Port.QUERY in accepted:
        return 'make a question of it first: `prompt("""...""")`'
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
            help=f'say what it is asked: `prompt("""...""") -> {label(expr)}`'
            f" or `regenerate({label(expr)})`",
        )
    )


def bank_needs_query(ctx: Context, bank: tree.Bank, wire: Node) -> None:
    """Say that a bank asks its branches a question."""
    before = ctx.graph.places.get(wire)
    ctx.say(
        "E301",
        f"a bank takes a query, but is given {wire.port.value}",
        bank.place,
        "takes a query",
        notes=(Note(before, f"gives {wire.port.value}"),) if before else (),
        help="say what its branches are asked: `prompt(aggregate) -> [...]`",
    )


def lonely_route(ctx: Context, at: tree.Expr) -> None:
    """Say that a route needs something to choose among."""
    ctx.say(
        "E304",
        "`route` decides among the branches of a bank, but feeds none",
        at.place,
        "feeds nothing that it could choose among",
        help="follow it with a bank or a fuse: `route -> [A, B]`",
    )


def nothing_to_decide(ctx: Context, route: tree.Expr, branch: tree.Branch) -> None:
    """Warn of a route that feeds one branch."""
    text = "this route has nothing to decide: it feeds one branch"
    notes = (Note(branch.place, "the only branch"),)
    ctx.say("W302", text, route.place, "always takes that branch", notes=notes)


def routed_fallback(ctx: Context, route: tree.Expr, fallback: tree.Fallback) -> None:
    """Say that a route feeds a fallback, where its bank was probably meant."""
    ctx.say(
        "E301",
        "this route feeds a fallback, not a bank: `|` binds closer than `->`",
        route.place,
        "decides among the branches of a bank",
        notes=(Note(fallback.place, "one fallback"),),
        help=f"put brackets around the route and its bank: `(... -> {unparse(fallback.choices[0])})"
        f" | {unparse(fallback.choices[-1])}`",
    )


def undeclared(ctx: Context, call: tree.Call) -> None:
    """Say that a backend declares a model, and is no step."""
    ctx.say(
        "E202",
        f"`{call.function}` declares a model, and is no step",
        call.function_place,
        "stands where a step is wanted",
        help=f"give the model a name first: `model M = {unparse(call)}`",
    )


def not_a_step(ctx: Context, expr: tree.Expr) -> None:
    """Say that an expression cannot be asked."""
    formula = isinstance(expr, tree.Binary | tree.Unary)
    ctx.say(
        "E405" if formula else "E301",
        "a formula is no step" if formula else f"`{unparse(expr)}` is no step",
        expr.place,
        "cannot be asked",
        help=_step_instead(expr),
    )


def _step_instead(expr: tree.Expr) -> str:
    """Say what was probably meant by an expression that is no step."""
    from composer.methods import find_part

    if isinstance(expr, tree.Binary) and expr.op in COMPARISONS:
        left, right = unparse(expr.left), unparse(expr.right)
        if isinstance(expr.left, tree.Name) and find_part("signal", expr.left.id):
            return f"a condition is an option: `cascade(..., accept = {unparse(expr)})`"
        return f"a value is handed on by an arrow: `{left} -> {right}`"
    if isinstance(expr, tree.Binary | tree.Unary):
        return f"fuse it: `token_fuse({unparse(expr)})`"
    return "a step is a model, a call such as `vote()`, a bank, or a chain of them"


def not_a_model(ctx: Context, expr: tree.Expr) -> None:
    """Say that something else stands where a model is wanted."""
    formula = isinstance(expr, tree.Binary | tree.Unary)
    ctx.say(
        "E301",
        f"a model is wanted here, but `{label(expr)}` is none",
        expr.place,
        "not a model",
        help=_step_instead(expr) if formula else "name a model, a fuse, or `prompt(...) -> M`",
    )


def no_prompt(ctx: Context, stage: tree.Expr, last: tree.Expr) -> None:
    """Say that a member is one model, with prompts alone before it."""
    ctx.say(
        "E301",
        f"only `prompt(...)` can stand before a member, not `{unparse(stage)}`",
        stage.place,
        "not a prompt",
        help=f'give the member a prompt of its own: `prompt("""...""") -> {label(last)}`',
    )


def member_with_options(ctx: Context, call: tree.Call) -> None:
    """Say that a member is named, not asked."""
    ctx.say(
        "E203",
        f"`{call.function}` is a member here, and members take no options of their own",
        call.place,
        "asked, not named",
        help=f"name it: `{call.function}`; options go where the whole is asked: "
        "`let fused = ...`, `fused(temperature = 0.5)`",
    )


def formula_with_weights(ctx: Context, argument: tree.Argument) -> None:
    """Say that a formula is a sum of log-probabilities with coefficients of its own."""
    ctx.say(
        "E405",
        f"a formula says itself how its members are summed, so it takes no `{argument.name}`",
        argument.place,
        "one too many",
        help="write the coefficients into the formula: `base + 0.8 * (expert - novice)`",
    )


def unusable_option(ctx: Context, call: tree.Call, problem: Problem) -> None:
    """Say what is wrong with an option of a fuse, where it is written."""
    argument = next((a for a in call.arguments if a.name == problem.field), None)
    ctx.say(
        problem.code,
        problem.message,
        argument.value.place if argument else call.place,
        problem.label,
        notes=(Note(call.function_place, problem.note),) if problem.note else (),
        help=problem.help,
    )


def named_once(ctx: Context, bank: tree.Bank) -> bool:
    """Say whether the branches of a bank have names of their own; if not, record the mistake."""
    seen: dict[str, tree.Branch] = {}
    for branch in bank.branches:
        if branch.name in seen:
            text = f"two branches of this bank are named `{branch.name}`"
            notes = (Note(seen[branch.name].place, "first named here"),)
            ctx.say("E204", text, branch.place, "again here", notes=notes, help="rename one")
            return False
        if branch.name:
            seen[branch.name] = branch
    return True


def judged_by_models(ctx: Context, estimator: str, branch: tree.Branch) -> None:
    """Say that an estimator which asks models is given a branch that is more than one model."""
    ctx.say(
        "E302",
        f"`{estimator}` asks each branch's model, but `{label(branch.value)}` is not one model",
        branch.place,
        "more than a model",
        help="estimate from the query alone: `route(by = knn(...))` or `route(by = uniform())`",
    )


def judges_unfit(ctx: Context, route: Node) -> bool:
    """Say that a route's estimator asks no model but is given one, or that it is given none."""
    from composer.methods import Judging

    by, given = route.get("by"), route.get("judges")
    asks, place = isinstance(by, Judging), ctx.graph.places.get(route)
    if given and not asks:
        text = f"`{by.name}` asks no model, but `route` is given one"
        ctx.say("E206", text, place, "takes no judge", help="leave it out, or `by = asked()`")
    elif asks and not given:
        text = f"`{by.name}` needs a model to ask"
        ctx.say("E206", text, place, "no model given", help=f"`route(M, by = {by.name}())`")
    return asks != bool(given)


def defined_by_itself(ctx: Context, binding: Binding, at: tree.Expr) -> None:
    """Say that a name leads back to itself."""
    text = f"`{binding.name}` is defined by itself"
    notes = (Note(binding.place, "defined here"),)
    ctx.say("E205", text, at.place, "leads back to itself", notes=notes)
