"""Calls: which argument is an input, which an option, and what `default` statements add."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from composer.compiler.graph.arguments import BadValueError, match_arguments, validated
from composer.compiler.graph.graph import Options
from composer.compiler.graph.option_types import hint_of
from composer.compiler.graph.scope import follow, unknown_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from composer.compiler.graph.context import Context
    from composer.compiler.graph.node import Node
    from composer.compiler.graph.scope import Scope
    from composer.diagnostics import Place
    from composer.steps import Input, Step
    from composer.syntax import tree


def place_inputs(step: Step, call: tree.Call) -> tuple[list[tuple[Input, tree.Expr]], tree.Call]:
    """Split a call into the inputs that are written without a name, and the rest."""
    inputs = step.arguments
    variadic = bool(inputs) and inputs[-1].variadic
    placed: list[tuple[Input, tree.Expr]] = []
    rest: list[tree.Argument] = []
    for argument in call.arguments:
        room = variadic or len(placed) < len(inputs)
        if argument.name is None and room and inputs:
            placed.append((inputs[min(len(placed), len(inputs) - 1)], argument.value))
        else:
            rest.append(argument)
    return placed, replace(call, arguments=tuple(rest))


def options_of(
    ctx: Context, step: Step, call: tree.Call, scope: Scope, hidden: Mapping[str, object]
) -> Options | None:
    """Return the options of a call that has no inputs in brackets."""
    return call_options(ctx, step, call, scope, call, hidden)


def call_options(  # noqa: PLR0913 - a step, its call and what is known beside it
    ctx: Context,
    step: Step,
    rest: tree.Call,
    scope: Scope,
    call: tree.Call,
    hidden: Mapping[str, object],
) -> Options | None:
    """Return the options that are set: by `default`, by the call, by the compiler."""
    public = step.public_options
    try:
        arguments = match_arguments(rest, [n for n in step.positional if n in public], public)
    except BadValueError as bad:
        ctx.catch(bad)
        return None
    options = defaults_of(ctx, step, scope)
    options.values.update(hidden)
    sound = True
    for name, argument in arguments.items():
        try:
            options.values[name] = ctx.values.read(argument.value, hint_of(public[name]), scope)
            options.places[name] = _written(argument, scope)
        except BadValueError as bad:
            ctx.catch(bad)
            sound = False
    try:
        validated(step.options, options.values, call, arguments)
    except BadValueError as bad:
        ctx.catch(bad if sound else bad.within(arguments))
        return None
    return options if sound else None


def add_model_settings(
    ctx: Context, step: Step, inputs: tuple[Node, ...], options: Options
) -> None:
    """Let a lone model's own files say what nobody else does, where a step asks it."""
    for model in inputs if step.alone else ():
        for name, value in model.settings.items():
            stronger = "max_tokens" if name == "max_length" else name
            if stronger not in options.values:
                options.values[name] = value
                options.places[name] = ctx.declared[model.underlying]


def _written(argument: tree.Argument, scope: Scope) -> Place:
    """Return where a value stands: behind a parameter's name, what the parameter was given."""
    return follow(argument.value, scope)[0].place


def defaults_of(ctx: Context, step: Step, scope: Scope) -> Options:
    """Return what `default` statements say about a step, the weaker ones overridden."""
    public = step.public_options
    options = Options({}, {})
    for home, default in scope.all_defaults():
        if default.value.function != step.name:
            continue
        for argument in default.value.arguments:
            if argument.name in public:
                try:
                    value = _default(ctx, step, argument, default, home)
                    options.values[argument.name] = value
                    options.places[argument.name] = _written(argument, home)
                except BadValueError as bad:
                    ctx.catch(bad)
    return options


def check_default(
    ctx: Context, default: tree.Default, steps: Mapping[str, Step], scope: Scope
) -> None:
    """Check a `default` statement: the step, its options, and their values."""
    step = steps.get(default.value.function)
    if step is None or not step.named:
        public = [name for name, candidate in steps.items() if candidate.named]
        place = default.value.function_place
        ctx.mistakes.append(unknown_name(default.value.function, place, public, "step"))
        return
    try:
        arguments = match_arguments(default.value, [], step.public_options)
    except BadValueError as bad:
        ctx.catch(bad)
        return
    for argument in arguments.values():
        try:
            _default(ctx, step, argument, default, scope)
        except BadValueError as bad:
            ctx.catch(bad)


def _default(
    ctx: Context, step: Step, argument: tree.Argument, default: tree.Default, scope: Scope
) -> object:
    """Return the value that a `default` statement gives one option, or raise BadValueError."""
    name = argument.name or ""
    value = ctx.values.read(argument.value, hint_of(step.public_options[name]), scope)
    try:
        validated(step.options, {name: value}, default.value, {name: argument})
    except BadValueError as bad:
        missing_option = "E206"  # the other options are none of this statement's business
        if wrong := [
            diagnostic for diagnostic in bad.diagnostics if diagnostic.code != missing_option
        ]:
            raise BadValueError(*wrong) from None
    return value
