"""From a recipe's text to its checked graph, in one call."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from composer.compiler.graph.checks import check_steps
from composer.compiler.graph.context import Context
from composer.compiler.graph.files import Loader, root_of
from composer.compiler.graph.lower import lower, lowering
from composer.compiler.graph.members import declared_model
from composer.compiler.graph.options import check_default
from composer.compiler.graph.overrides import UNMATCHED, Overlays, overlay, override
from composer.compiler.graph.params import check_param
from composer.compiler.graph.pooling import pool_mistakes
from composer.compiler.graph.unreached import check_unused, warn_unused
from composer.diagnostics import Diagnostic, Mistakes, Place, Source
from composer.steps import STEPS
from composer.syntax import parse_expression, tree
from composer.values import Port

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from composer.compiler.graph.graph import Graph
    from composer.compiler.graph.node import Node
    from composer.compiler.graph.scope import Scope


@dataclass(frozen=True, eq=False, slots=True)
class Compiled:
    """A recipe without mistakes: its graph as written, and what else it says.

    `answer` is None for a library, a file that others use. `models` are the declared models that
    the answer can reach, by name; `declared` says where.
    """

    name: str
    graph: Graph
    answer: Node | None
    example: str | None
    warnings: tuple[Diagnostic, ...]
    models: dict[str, Node]
    declared: dict[Node, Place]
    params: dict[str, str]

    def __repr__(self) -> str:
        return f"Compiled({self.name!r})"


NO_OVERLAYS = Overlays()


def compile_recipe(
    path: Path,
    source: Source | None = None,
    settings: Mapping[str, str] | None = None,
    root: Path | None = None,
    overlays: Overlays = NO_OVERLAYS,
) -> Compiled:
    """Read, resolve, lower and check a recipe; raise Mistakes with all that is wrong with it.

    `source` is the text, if it does not lie at `path`; `settings` are overrides by path, in the
    notation of the language; `overlays` are files whose statements replace the recipe's; nothing
    outside `root` is read by `use`.
    """
    loader = Loader(root or root_of(path.parent))
    scope = loader.scope(path.resolve() if source is None else path, source)
    ctx = Context(loader, lowering)
    for overlay_path in overlays.files:
        ctx.mistakes.extend(overlay(scope, loader.scope(overlay_path.resolve())))
    ctx.mistakes.extend(override(scope, settings or {}))
    if overlays.answer is not None:
        expression = parse_expression(overlays.answer, "answer")
        scope.answer = tree.Answer(expression, expression.place)
    if overlays.unmatched is not None:
        overlays.unmatched.extend(each for each in ctx.mistakes if each.code == UNMATCHED)
        ctx.mistakes[:] = [mistake for mistake in ctx.mistakes if mistake.code != UNMATCHED]
    _check_statements(ctx, scope)
    answer = _answer(ctx, scope)
    models = _models(ctx, scope)
    clash = any(mistake.code.startswith("E3") for mistake in ctx.mistakes)
    check_steps(ctx, None if clash else answer)
    if answer is not None and not _wrong(ctx.mistakes):
        ctx.mistakes.extend(pool_mistakes(ctx.graph, ctx.declared, answer))
    check_unused(ctx, scope)
    if not _wrong(ctx.mistakes):
        warn_unused(ctx, scope)
    diagnostics = _once(ctx.mistakes)
    if _wrong(diagnostics):
        raise Mistakes(diagnostics)
    params = {
        name: binding.statement.type.name
        for name, binding in scope.names.items()
        if isinstance(binding.statement, tree.Param)
    }
    name = source.name if source else str(path)
    return Compiled(
        name, ctx.graph, answer, scope.example, diagnostics, models, ctx.declared, params
    )


def check_again(compiled: Compiled) -> tuple[Diagnostic, ...]:
    """Check a recipe by what is known of its models now; return the warnings, raise Mistakes.

    What is not known even now is no warning here.
    """
    compiled.graph.forget()
    ctx = Context(Loader(Path()), lowering, compiled.graph, declared=compiled.declared)
    check_steps(ctx, compiled.answer)
    diagnostics = tuple(each for each in _once(ctx.mistakes) if each.code != "W501")
    if _wrong(diagnostics):
        raise Mistakes(diagnostics)
    return diagnostics


def _wrong(diagnostics: Iterable[Diagnostic]) -> bool:
    """Say whether there is a mistake among diagnostics."""
    return any(diagnostic.severity == "error" for diagnostic in diagnostics)


def _once(mistakes: list[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Keep each mistake once, and of a value's mistakes only the first at a place."""
    distinct: dict[object, Diagnostic] = {}
    for mistake in mistakes:
        at = mistake.place and (mistake.place.source.name, mistake.place.start, mistake.place.end)
        value = at is not None and mistake.code.startswith("E4")
        distinct.setdefault((mistake.code, at, "" if value else mistake.message), mistake)
    return tuple(distinct.values())


def _answer(ctx: Context, scope: Scope) -> Node | None:
    if scope.several:
        return None
    if scope.answer is not None:
        answer = lower(ctx, scope.answer.value, ctx.graph.query, scope)
        if answer is not None and answer.port is not Port.TEXT:
            _unsettled(ctx, answer, scope.answer)
        return answer
    recipe_like = scope.example is not None or not scope.names
    if not ctx.mistakes:
        code = "E207" if recipe_like else "W202"
        text = (
            "this recipe has no answer"
            if recipe_like
            else ("no answer: this file can be used, but not run")
        )
        help_ = "end it with an expression, such as `[A, B] -> vote()`" if recipe_like else ""
        ctx.say(code, text, None, help=help_)
    return None


def _unsettled(ctx: Context, answer: Node, statement: tree.Answer) -> None:
    """Refuse a recipe that ends with anything but one answer."""
    several = answer.port in (Port.CANDIDATES, Port.RANKING)
    settle = "choose one answer: `vote()`, `rank(...) -> best()` or `regenerate(M)`"
    ctx.say(
        "E304",
        f"the recipe must end with one answer, but ends with {answer.port.value}",
        statement.place,
        f"gives {answer.port.value}",
        help=settle if several else "end with a model, or with a step that chooses one answer",
    )


def _models(ctx: Context, scope: Scope) -> dict[str, Node]:
    """Declare every model of the file, so that each is checked, asked or not."""
    out: dict[str, Node] = {}
    for name, binding in scope.names.items():
        if isinstance(binding.statement, tree.Model):
            node = declared_model(ctx, binding)
            if node is not None:
                out[name] = node
    return out


def _check_statements(ctx: Context, scope: Scope, *, outermost: bool = True) -> None:
    for default in scope.defaults:
        check_default(ctx, default, STEPS, scope)
    for used in scope.used.values():
        _check_statements(ctx, used, outermost=False)
    for binding in scope.names.values():
        if isinstance(binding.statement, tree.Param):
            check_param(ctx, binding, needed=outermost)
