"""`compose explain`: the plan after each pass; or what a code, a step or a part means."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from composer.cli.common import RecipeReader, recipe_options
from composer.cli.terminal import out

if TYPE_CHECKING:
    from collections.abc import Iterator

    from composer.recipe import Recipe

CODE = re.compile(r"[EW]\d{3}", re.IGNORECASE)


@click.command()
@click.argument("what", nargs=-1, required=True)
@recipe_options
def command(what: tuple[str, ...], reading: RecipeReader) -> None:
    """Show what each rule did to a recipe; or explain a code, a step or a part.

    \b
    compose explain recipe.ens
    compose explain E301
    compose explain vote
    compose explain part knn

    Where a step and a part have one name, `step NAME` or `part NAME` says which is meant.
    """
    match what:
        case (code,) if CODE.fullmatch(code):
            out(_code(code))
        case ("step", name):
            out(_step(name))
        case ("part", name):
            out(_part(name))
        case (name,) if name in _steps() and not Path(name).exists():
            out(_step(name))
        case (name,) if name in _parts() and not Path(name).exists():
            out(_part(name))
        case (name,) if _near(name):
            raise click.UsageError(f"nothing is called `{name}`: did you mean {_near(name)}?")
        case (path,):
            recipe = reading.read(Path(path))
            out("\n".join(_passes(recipe)))
        case _:
            raise click.UsageError("give a recipe, a code, `step NAME` or `part NAME`")


def _near(name: str) -> str:
    """Name the step or the part that a word is a slip of; empty where it is none, or a file."""
    from composer.diagnostics import nearest

    if not name.isidentifier() or Path(name).exists():
        return ""
    near = nearest(name, [*_steps(), *_parts()])
    if near is None:
        return ""
    return f"the step `{near}`" if near in _steps() else f"the part `{near}`"


def _passes(recipe: Recipe) -> Iterator[str]:
    """Write the graph as the recipe says it, then after each pass that changed something."""
    from composer.compiler.plan import describe_steps

    root = recipe.compiled.answer
    optimized = recipe.optimized
    assert root is not None
    yield "as written"
    yield from describe_steps(recipe.compiled, root)
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


def _step(name: str) -> str:
    from composer.compiler.plan.explain import explain_step
    from composer.diagnostics import did_you_mean
    from composer.steps import STEPS

    if name not in STEPS:
        raise click.UsageError(f"unknown step `{name}`: {did_you_mean(name, _steps())}")
    return "\n".join(explain_step(STEPS[name]).lines())


def _part(name: str) -> str:
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
    return "\n\n".join("\n".join(explain_part(kind, part).lines()) for kind, part in same_name)
