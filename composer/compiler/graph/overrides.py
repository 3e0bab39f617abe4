"""Overrides from outside: `--with other.ens`, then `--set path=value`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from composer.backends import BACKENDS
from composer.diagnostics import Diagnostic, Mistakes, did_you_mean
from composer.steps import STEPS
from composer.syntax import parse_expression, tree

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from composer.compiler.graph.scope import Binding, Scope


UNMATCHED = "E404"
"""The code of an override that finds no match in a recipe."""


@dataclass(frozen=True)
class Overlays:
    """Files whose statements replace those of a recipe.

    Overrides that find no match in the recipe are mistakes; where there is a list `unmatched`,
    they are put into it instead. `answer` is an expression in place of the recipe's answer.
    """

    files: tuple[Path, ...] = ()
    unmatched: list[Diagnostic] | None = None
    answer: str | None = None


def override(scope: Scope, settings: Mapping[str, str]) -> list[Diagnostic]:
    """Apply settings to a recipe's scope; return the mistakes in them.

    A path is a parameter (`doubt`), one of a used recipe (`moa.doubt`), a default
    (`default.generate.max_tokens`) or a model's option (`model.A.device`).
    """
    mistakes: list[Diagnostic] = []
    for path, text in settings.items():
        try:
            value = parse_expression(text, f"--set {path}")
        except Mistakes as error:
            quoted = "" if '"' in text else f"put a text in quotes: `--set '{path}=\"{text}\"'`"
            mistakes += [
                replace(diagnostic, help=quoted or diagnostic.help)
                for diagnostic in error.diagnostics
            ]
            continue
        if not _apply(scope, path, value):
            message = f"unknown setting `{path}`"
            mistakes.append(Diagnostic(UNMATCHED, message, help=_advice(scope, path)))
    return mistakes


def overlay(scope: Scope, changes: Scope) -> list[Diagnostic]:
    """Let the statements of another file replace those of a recipe; return what finds no match.

    A `param`, a `let`, a `def` or a `model` of the same name is replaced, a `default` is added
    after the recipe's own, an `example` is replaced. The other file's expressions may use the
    recipe's names.
    """
    changes.parent = scope
    scope.defaults += changes.defaults
    scope.example = changes.example or scope.example
    mistakes = [_replaced(scope, binding) for binding in changes.names.values()]
    if changes.answer is not None:
        text = "a file given with `--with` cannot have an answer"
        mistakes.append(Diagnostic("E208", text, changes.answer.place, "delete this answer"))
    return [mistake for mistake in mistakes if mistake is not None]


def _replaced(scope: Scope, binding: Binding) -> Diagnostic | None:
    before = scope.names.get(binding.name)
    if before is None or type(before.statement) is not type(binding.statement):
        kinds = [n for n, b in scope.names.items() if type(b.statement) is type(binding.statement)]
        word = type(binding.statement).__name__.lower()
        text = f"the recipe has no {word} `{binding.name}` that could be replaced"
        help_ = did_you_mean(binding.name, kinds)
        return Diagnostic(UNMATCHED, text, binding.place, "not in the recipe", help=help_)
    if isinstance(binding.statement, tree.Param):
        before.value = binding.statement.value
    else:
        before.statement, before.scope = binding.statement, binding.scope
    return None


def _advice(scope: Scope, path: str) -> str:
    """Say what can be set near a path that is none."""
    match path.split("."):
        case ["default", name, option]:
            steps = [step for step, declared_step in STEPS.items() if declared_step.named]
            exists = name in steps
            return did_you_mean(*(option, STEPS[name].public_options) if exists else (name, steps))
        case ["model", name, option]:
            models = _models(scope)
            exists = name in models
            return did_you_mean(*(option, models[name]) if exists else (name, models))
        case _:
            near = did_you_mean(path, params_of(scope)) or "this recipe has no parameters"
            return f"{near}; or set `model.NAME.OPTION` or `default.STEP.OPTION`"


def params_of(scope: Scope) -> list[str]:
    """Return the parameters of a recipe and of those that it uses, as `--set` names them."""
    used = [(f"{alias}.", inner) for alias, inner in scope.used.items()]
    return [
        prefix + name
        for prefix, home in [("", scope), *used]
        for name, binding in home.names.items()
        if isinstance(binding.statement, tree.Param)
    ]


def _models(scope: Scope) -> dict[str, list[str]]:
    """Return the options of each model that is declared."""
    options: dict[str, list[str]] = {}
    for name, binding in scope.names.items():
        if isinstance(binding.statement, tree.Model):
            backend = BACKENDS.get(binding.statement.value.function)
            options[name] = [*backend.model_fields, *_beside()] if backend else []
    return options


def _beside() -> list[str]:
    """Return the options that every model has, whatever its backend."""
    return list(STEPS["model"].public_options)


def _apply(scope: Scope, path: str, value: tree.Expr) -> bool:
    match path.split("."):
        case [name]:
            return _param(scope, name, value)
        case [alias, name] if alias in scope.used:
            return _param(scope.used[alias], name, value)
        case ["default", step, option]:
            return _default(scope, step, option, value)
        case ["model", name, option]:
            return _model(scope, name, option, value)
        case _:
            return False


def _param(scope: Scope, name: str, value: tree.Expr) -> bool:
    binding = scope.names.get(name)
    if binding is None or not isinstance(binding.statement, tree.Param):
        return False
    binding.value = value
    return True


def _default(scope: Scope, step: str, option: str, value: tree.Expr) -> bool:
    if step not in STEPS or not STEPS[step].named or option not in STEPS[step].public_options:
        return False
    argument = tree.Argument(option, value, value.place, value.place)
    call = tree.Call(step, (argument,), value.place, value.place)
    scope.defaults = (*scope.defaults, tree.Default(call, value.place))
    return True


def _model(scope: Scope, name: str, option: str, value: tree.Expr) -> bool:
    binding = scope.names.get(name)
    if binding is None or not isinstance(binding.statement, tree.Model):
        return False
    call = binding.statement.value
    backend = BACKENDS.get(call.function)
    options = [*backend.model_fields, *_beside()] if backend else []
    if option not in options:
        return False
    at = options.index(option)
    unnamed = [a for a in call.arguments if a.name is None]
    dropped = unnamed[at] if at < len(unnamed) else None
    other_arguments = [a for a in call.arguments if a.name != option and a is not dropped]
    argument = tree.Argument(option, value, value.place, value.place)
    binding.statement = replace(
        binding.statement, value=replace(call, arguments=(*other_arguments, argument))
    )
    return True
