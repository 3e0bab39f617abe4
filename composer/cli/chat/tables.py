"""Texts beside each other where the terminal has room, else below each other."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from composer.cli.terminal import err, has_colours, is_terminal
from composer.diagnostics.printable import line_width, steady

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["side_by_side"]

NARROWEST = 28
"""Columns below which texts stand below each other."""


def side_by_side(texts: Sequence[tuple[str, str, str]]) -> None:
    """Show texts on stderr, each with its name above and what it took below."""
    room = line_width() // max(len(texts), 1)
    if is_terminal(sys.stderr) and len(texts) > 1 and room >= NARROWEST:
        _columns(texts)
        return
    for name, text, took in texts:
        err(f"{name}: {took}")
        for line in text.split("\n"):
            err(f"  {line}")


def _columns(texts: Sequence[tuple[str, str, str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(expand=True)
    for name, _, _ in texts:
        table.add_column(Text(steady(name)), ratio=1, overflow="fold")
    table.add_row(*(Text(steady(text)) for _, text, _ in texts))
    table.add_row(*(Text(steady(took), style="dim") for _, _, took in texts))
    console = Console(
        stderr=True, highlight=False, emoji=False, no_color=not has_colours(sys.stderr)
    )
    with console.capture() as capture:
        console.print(table)
    err(capture.get(), end="", drawn=True)
