"""`compose lsp`: a language server for recipes, which editors start."""

from __future__ import annotations

import click

from composer.cli.common import need_extra


@click.command()
@click.option("--stdio", is_flag=True, help="Use stdin and stdout; this is always so.")
def command(*, stdio: bool) -> None:
    """Serve an editor over stdin and stdout: mistakes, hover, completion, definitions."""
    del stdio
    need_extra("an editor's server", "editor", "pygls")
    from composer.editor.features import serve

    serve()
