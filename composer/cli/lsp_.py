"""`compose lsp`: a language server for recipes, which editors start."""

from __future__ import annotations

from importlib.util import find_spec

import click

EXTRA = "an editor's server needs the extra `editor`: pip install 'ensemble-composer[editor]'"


@click.command()
@click.option("--stdio", is_flag=True, help="Speak over stdin and stdout, as it always does.")
def command(*, stdio: bool) -> None:
    """Serve an editor over stdin and stdout: mistakes, hover, completion, definitions."""
    del stdio
    if find_spec("pygls") is None:
        raise click.UsageError(EXTRA)
    from composer.editor.features import serve

    serve()
