"""`compose ls`: steps, parts, models and recipes, one line each, with the paper."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from composer.cli.common import as_json as to_json
from composer.cli.common import json_option
from composer.cli.screen import CYAN, DIM, GREEN, print_table
from composer.cli.terminal import out

if TYPE_CHECKING:
    from collections.abc import Iterator

Row = dict[str, str]

STYLES = {"name": GREEN, "kind": CYAN, "about": "", "paper": DIM}
"""The colours of the columns."""

PAPER = re.compile(r"arXiv:\d{4}\.\d{4,5}")
"""How the head of a recipe names its paper."""


class Subject(click.Choice[str]):
    """What can be listed; a near name is answered with the right one."""

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return a name of the list, or say which one was meant."""
        from composer.diagnostics import did_you_mean
        from composer.methods import parts

        if value in self.choices:
            return value
        kind = value if value in parts() else value.removesuffix("s")
        if kind in parts():
            message = f"`{kind}` is a kind of parts: `compose explain {kind}` lists them"
        else:
            message = f"`{value}` cannot be listed: {did_you_mean(value, self.choices)}"
        raise click.BadParameter(message, ctx, param)


@click.command()
@click.argument("what", type=Subject(["steps", "parts", "models", "recipes"]))
@json_option
def command(what: str, *, as_json: bool) -> None:
    """List steps, parts, models or recipes, one line each."""
    listed = {"steps": _steps, "parts": _parts, "models": _models, "recipes": _recipes}
    rows = list(listed[what]())
    if as_json:
        out(to_json(rows), as_json=True)
        return
    names = list(rows[0])
    styles = [STYLES[name] for name in names]
    print_table([list(row.values()) for row in rows], names.index("about"), styles)


def _steps() -> Iterator[Row]:
    from composer.steps import STEPS

    for step in STEPS.values():
        if not step.sign:
            yield {"name": step.name, "about": step.summary, "paper": step.paper}


def _parts() -> Iterator[Row]:
    from composer.methods import parts

    for kind, named in parts().items():
        for part in named.values():
            yield {"name": part.name, "kind": kind, "about": part.summary(), "paper": part.paper}


def _models() -> Iterator[Row]:
    from composer import zoo
    from composer.backends import BACKENDS

    for backend in BACKENDS.values():
        yield {"name": f"{backend.name}(...)", "about": backend.summary()}
    for name in zoo.names():
        card = zoo.card(name)
        about = f"{card['architecture']}, {card['parameters']:,} parameters"
        yield {"name": f'zoo("{name}")', "about": about}
    for name in zoo.rewards():
        card = zoo.card(name)
        about = f"{card['architecture']}, {card['parameters']:,} parameters"
        yield {"name": f'zoo_reward("{name}")', "about": about}
    for name in zoo.translators():
        card = zoo.card(name)
        about = f"{card['architecture']}, {card['parameters']:,} parameters"
        yield {"name": f'zoo_seq2seq("{name}")', "about": about}


def _recipes() -> Iterator[Row]:
    from composer.compiler.graph import shipped

    for path in sorted(shipped().rglob("*.ens")):
        lines = path.read_text(encoding="utf-8").splitlines()
        comment = lines[0].lstrip("# ") if lines and lines[0].startswith("#") else ""
        paper = next(iter(PAPER.findall("\n".join(lines))), "")
        name = str(path.relative_to(shipped()))
        yield {"name": name, "about": comment, "paper": paper}
