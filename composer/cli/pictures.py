"""Files that verbs draw plots into."""

from __future__ import annotations

from errno import ENOENT
from pathlib import Path
from typing import TYPE_CHECKING

import click

from composer.cli.common import need_extra, unwritable

if TYPE_CHECKING:
    from os import PathLike

PICTURES = (".png", ".svg", ".pdf")


class Picture(click.Path):
    """A file to draw into, whose name says how."""

    def convert(
        self,
        value: str | PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> str | bytes | PathLike[str]:
        """Return the file's path."""
        if Path(value).suffix.lower() not in PICTURES:
            self.fail(f"a plot must be a {', '.join(PICTURES)} file, not `{value}`", param, ctx)
        if not Path(value).absolute().parent.is_dir():
            raise unwritable(Path(value), FileNotFoundError(ENOENT, "the folder does not exist"))
        need_extra("a plot", "plot", "matplotlib")
        return super().convert(value, param, ctx)
