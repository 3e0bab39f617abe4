"""`compose schema`: what editors need to know of the language, as JSON."""

from __future__ import annotations

import click

from composer.cli.common import as_json
from composer.cli.terminal import out


@click.command()
@click.argument("what", type=click.Choice(["yaml", "textmate"]), default="yaml")
def command(what: str) -> None:
    """Print what editors need to know of the language.

    \b
    compose schema            the JSON schema of recipes in YAML
    compose schema textmate   the grammar by which editors colour `.ens` recipes
    """
    if what == "textmate":
        from composer.editor.textmate import textmate

        out(as_json(textmate()), as_json=True)
    else:
        from composer.editor.schema import schema

        out(as_json(schema()), as_json=True)
