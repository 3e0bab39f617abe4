"""Mistakes where a model is wanted: what is no model, and members that cannot be fused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.compiler.graph.scope import label
from composer.compiler.graph.step_mistakes import step_instead
from composer.diagnostics import Note
from composer.syntax import tree, unparse

if TYPE_CHECKING:
    from composer.compiler.graph.context import Context
    from composer.specs import SpecProblem


def undeclared(ctx: Context, call: tree.Call) -> None:
    """Say that a backend declares a model, and is no step."""
    ctx.say(
        "E202",
        f"`{call.function}` declares a model and is not a step",
        call.function_place,
        "a step is needed here",
        help=f"give the model a name first: `model M = {unparse(call)}`",
    )


def not_a_model(ctx: Context, expr: tree.Expr) -> None:
    """Say that something else stands where a model is wanted."""
    formula = isinstance(expr, tree.Binary | tree.Unary)
    ctx.say(
        "E301",
        f"`{label(expr)}` is not a model, and a model is needed here",
        expr.place,
        "not a model",
        help=step_instead(expr) if formula else "write a model, a fuse, or `prompt(...) -> M`",
    )


def no_prompt(ctx: Context, stage: tree.Expr, last: tree.Expr) -> None:
    """Say that a member is one model, with prompts alone before it."""
    ctx.say(
        "E301",
        f"only `prompt(...)` may be written before a member, not `{unparse(stage)}`",
        stage.place,
        "not a prompt",
        help=f'give the member a prompt of its own: `prompt("""...""") -> {label(last)}`',
    )


def member_with_options(ctx: Context, call: tree.Call) -> None:
    """Say that a member is named, not asked."""
    ctx.say(
        "E203",
        f"`{call.function}` is a member here, and a member cannot have options",
        call.place,
        "has options",
        help=f"write `{call.function}` alone, and give the options to the whole fuse: `let fused = "
        "...`, `fused(temperature = 0.5)`",
    )


def formula_with_weights(ctx: Context, argument: tree.Argument) -> None:
    """Say that a formula is a sum of log-probabilities with coefficients of its own."""
    ctx.say(
        "E405",
        f"`{argument.name}` cannot be used with a formula, which has coefficients instead",
        argument.place,
        "one too many",
        help="write the coefficients into the formula: `base + 0.8 * (expert - novice)`",
    )


def unusable_option(ctx: Context, call: tree.Call, problem: SpecProblem) -> None:
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
