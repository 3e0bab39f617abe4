"""`compose explain`: the plan after each pass; or what a code, a step or a part means."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from composer.cli.common import RecipeReader, recipe_options
from composer.cli.screen import PLAN_STYLES, print_lines
from composer.cli.terminal import out

if TYPE_CHECKING:
    from collections.abc import Iterator

    from composer.recipe import Recipe

CODE = re.compile(r"[EW]\d{3}", re.IGNORECASE)


@click.command()
@click.argument("what", nargs=-1, required=True)
@recipe_options
def command(what: tuple[str, ...], reading: RecipeReader) -> None:
    """Show what each rule did to a recipe; or explain a code, a step, a part, a kind, a backend.

    \b
    compose explain recipe.ens
    compose explain E301
    compose explain vote
    compose explain confidence
    compose explain gate                 all parts of a kind
    compose explain hf                   a backend of models

    Where several things have one name, `step NAME`, `part NAME`, `kind NAME` or `backend NAME`
    says which is meant.
    """
    kinds = {"step": _step, "part": _part, "kind": _kind, "backend": _backend}
    names = {"step": _steps, "part": _parts, "kind": _kinds, "backend": _backends}
    match what:
        case (code,) if CODE.fullmatch(code):
            out(_code(code))
        case (kind, name) if kind in kinds:
            print_lines(kinds[kind](name), {})
        case (name,):
            kind = next((kind for kind in kinds if name in names[kind]()), "")
            if kind and not Path(name).exists():
                print_lines(kinds[kind](name), {})
                return
            if near := _near(name):
                raise click.UsageError(f"nothing is called `{name}`: did you mean {near}?")
            print_lines(_passes(reading.read(Path(name))), PLAN_STYLES)
        case _:
            raise click.UsageError(
                "give a recipe, a code, or the name of a step, a part, a kind or a backend"
            )


def _near(name: str) -> str:
    """Name the step or the part that a word is a slip of; empty where it is none, or a file."""
    from composer.diagnostics import nearest

    if not name.isidentifier() or Path(name).exists():
        return ""
    words = {"step": _steps(), "part": _parts(), "kind": _kinds(), "backend": _backends()}
    near = nearest(name, [word for names in words.values() for word in names])
    what = next((what for what, names in words.items() if near in names), None)
    return "" if what is None else f"the {what} `{near}`"


def _passes(recipe: Recipe) -> Iterator[str]:
    """Write the graph as the recipe says it, then after each pass that changed something."""
    from composer.compiler.graph import topological
    from composer.compiler.plan import describe_steps
    from composer.compiler.plan.describe import server_lines
    from composer.compiler.plan.planning import planned_servers

    root = recipe.compiled.answer
    optimized = recipe.optimized
    assert root is not None
    yield "as written"
    yield from describe_steps(recipe.compiled, root)
    servers = list(server_lines(planned_servers(topological(root))))
    yield from ("", "servers", *servers) if servers else ()
    for pass_, root_after, fired in optimized.after:
        yield ""
        if not fired:
            yield f"pass {pass_.name}: no rule applies"
            continue
        yield f"pass {pass_.name}"
        for rule in dict.fromkeys(use.rule for use in fired):
            times = sum(use.rule is rule for use in fired)
            yield f"  {rule.name}{f' ({times} times)' if times > 1 else ''}: {rule.summary}"
        yield from describe_steps(recipe.compiled, root_after)
    choices = _choices(recipe)
    yield from ("", "choices by saved timings", *choices) if choices else ()


def _choices(recipe: Recipe) -> list[str]:
    """Say what was chosen by saved timings; of a recipe that finds no device, why nothing was."""
    from composer.diagnostics import Mistakes

    try:
        return [f"  {each}" for each in recipe.choices]
    except Mistakes as mistakes:
        return [f"  none: {each.message}" for each in mistakes.diagnostics]


def _code(code: str) -> str:
    from composer.diagnostics import explanation

    text = explanation(code)
    if text is None:
        raise click.UsageError(f"unknown code {code}")
    return text


def _steps() -> list[str]:
    """Return the steps that are written by name."""
    from composer.steps import STEPS

    return [name for name, step in STEPS.items() if not step.sign]


def _parts() -> set[str]:
    """Return the names of all parts."""
    from composer.methods import parts

    return {name for named in parts().values() for name in named}


def _kinds() -> list[str]:
    """Return the kinds of parts."""
    from composer.methods import parts

    return list(parts())


def _backends() -> list[str]:
    """Return the names of the backends of models."""
    from composer.backends import BACKENDS

    return list(BACKENDS)


def _kind(name: str) -> Iterator[str]:
    """List the parts of a kind, and where they are used."""
    from composer.compiler.plan.explain import users_of
    from composer.diagnostics import did_you_mean
    from composer.methods import parts

    if name not in parts():
        raise click.UsageError(f"unknown kind `{name}`: {did_you_mean(name, _kinds())}")
    used = ", ".join(f"`{user}`" for user in users_of(name))
    yield f"{name}: a kind of parts" + (f", used in {used}" if used else "")
    yield ""
    width = max(map(len, parts()[name]))
    yield from (f"  {part.name:<{width}}  {part.summary()}" for part in parts()[name].values())
    yield ""
    yield "`compose explain part NAME` shows one of them with its options"


def _backend(name: str) -> Iterator[str]:
    from composer.backends import BACKENDS
    from composer.compiler.plan.explain import explain_backend
    from composer.diagnostics import did_you_mean

    if name not in BACKENDS:
        raise click.UsageError(f"unknown backend `{name}`: {did_you_mean(name, _backends())}")
    yield from explain_backend(BACKENDS[name]).lines()


def _step(name: str) -> Iterator[str]:
    from composer.compiler.plan.explain import explain_step
    from composer.diagnostics import did_you_mean
    from composer.steps import STEPS

    if name not in STEPS:
        raise click.UsageError(f"unknown step `{name}`: {did_you_mean(name, _steps())}")
    yield from explain_step(STEPS[name]).lines()


def _part(name: str) -> Iterator[str]:
    from composer.compiler.plan.explain import explain_part
    from composer.diagnostics import did_you_mean
    from composer.methods import parts

    same_name = [
        (kind, part)
        for kind, named in parts().items()
        for part_name, part in named.items()
        if part_name == name
    ]
    if not same_name:
        raise click.UsageError(f"unknown part `{name}`: {did_you_mean(name, _parts())}")
    for at, (kind, part) in enumerate(same_name):
        yield from ("",) * bool(at)
        yield from explain_part(kind, part).lines()
