"""`compose explain`: the plan after each pass; or what a code, a step or a part means."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from composer.cli.say import read_recipe, recipe_options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from composer.ports import Typed
    from composer.recipe import Recipe
    from composer.steps import Step

CODE = re.compile(r"[EW]\d{3}")


@click.command()
@click.argument("what", nargs=-1, required=True)
@recipe_options
def command(what: tuple[str, ...], settings: tuple[str, ...], root: Path | None) -> None:
    r"""Show what each rule did to a recipe; or explain a code, a step or a part.

    \b
    compose explain recipe.ens
    compose explain E301
    compose explain step vote
    compose explain part knn
    """
    match what:
        case (code,) if CODE.fullmatch(code):
            click.echo(_code(code))
        case ("step", name):
            click.echo(_step(name))
        case ("part", name):
            click.echo(_part(name))
        case (path,):
            recipe = read_recipe(Path(path), settings, root)
            click.echo("\n".join(_passes(recipe)))
        case _:
            raise click.UsageError("explain takes a recipe, a code, `step NAME` or `part NAME`")


def _passes(recipe: Recipe) -> Iterator[str]:
    """Write the graph as the recipe says it, then after each pass that changed something."""
    from composer.compiler.plan import describe_steps

    root = recipe.compiled.answer
    optimized = recipe.optimized
    assert root is not None
    yield "as written"
    yield from describe_steps(recipe.compiled, root)
    for each, after, fired in optimized.after:
        yield ""
        if not fired:
            yield f"pass {each.name}: no rule applies"
            continue
        yield f"pass {each.name}"
        for rule in dict.fromkeys(use.rule for use in fired):
            times = sum(use.rule is rule for use in fired)
            yield f"  {rule.name}{f' ({times} times)' if times > 1 else ''}: {rule.summary}"
        yield from describe_steps(recipe.compiled, after)


def _code(code: str) -> str:
    from composer.words import explanation

    text = explanation(code)
    if text is None:
        raise click.UsageError(f"there is no code {code}")
    return text


def _step(name: str) -> str:
    from composer.steps import STEPS
    from composer.words import did_you_mean

    if name not in STEPS:
        known = [each for each, step in STEPS.items() if not step.sign]
        raise click.UsageError(f"there is no step `{name}`: {did_you_mean(name, known)}")
    return "\n".join(_about_step(STEPS[name]))


def _about_step(step: Step) -> Iterator[str]:
    from composer.compiler.plan.wording import option_text

    takes = " or ".join(sorted(p.value for p in step.wire.ports)) if step.wire else "nothing"
    gives = "what it is given" if step.gives_same else step.gives.value
    yield f"{step.name}: takes {takes}, gives {gives}"
    yield ""
    yield inspect.getdoc(step.function) or ""
    if step.arguments:
        named = ", ".join(f"{'*' if i.variadic else ''}{i.name}" for i in step.arguments)
        yield f"\nin brackets: {named}"
    options = step.public_options
    if options:
        yield "\noptions"
        for name, field in options.items():
            default = "required" if field.is_required() else f"= {option_text(field.default)}"
            yield f"  {name} {default}"
    if step.paper:
        yield f"\npaper: {step.paper}"


def _part(name: str) -> str:
    from composer.parts import parts
    from composer.words import did_you_mean

    found = [
        (kind, part) for kind, named in parts().items() for n, part in named.items() if n == name
    ]
    if not found:
        known = {each for named in parts().values() for each in named}
        raise click.UsageError(f"there is no part `{name}`: {did_you_mean(name, known)}")
    return "\n\n".join("\n".join(_about_part(kind, part)) for kind, part in found)


def _about_part(kind: str, part: type[Typed]) -> Iterator[str]:
    from composer.compiler.plan.wording import option_text

    yield f"{part.name}: {'an' if kind[0] in 'aeiou' else 'a'} {kind}"
    yield ""
    yield inspect.getdoc(part) or ""
    if part.model_fields:
        yield "\noptions"
        for name, field in part.model_fields.items():
            default = "required" if field.is_required() else f"= {option_text(field.default)}"
            yield f"  {name} {default}"
    if part.paper:
        yield f"\npaper: {part.paper}"
