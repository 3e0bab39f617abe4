"""The options of the verbs that ask models and write what comes back."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import click

from composer.cli.common import Amount
from composer.cli.run_output import ON_STDERR

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["budget_option", "demand_distinct", "no_cache_option", "output_option", "trace_option"]


def _trace_target(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """Refuse a question in the place of the trace file, which would be overwritten."""
    del ctx, param
    if value in (None, ON_STDERR) or Path(str(value)).suffix in (".jsonl", ".json"):
        return value
    raise click.BadParameter(
        f'`{value}` is not a .jsonl file; write the question first: `run RECIPE "..." --trace`'
    )


trace_option = click.option(
    "--trace",
    is_flag=False,
    flag_value=ON_STDERR,
    callback=_trace_target,
    metavar="[FILE]",
    help="Show on stderr which model was asked what and why, or write it to FILE.jsonl.",
)
no_cache_option = click.option(
    "--no-cache", is_flag=True, help="Do not use or keep cached answers."
)
budget_option = click.option(
    "--budget", type=Amount(min=0), metavar="DOLLARS", help="Never spend more than this."
)
output_option = click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write each answer to this file at once; the same command, run again, continues.",
)


def demand_distinct(options: Mapping[str, Path | str | None]) -> None:
    """Refuse to write to a file that is read, or twice to one file."""
    named = {name: path for name, path in options.items() if path not in (None, "-")}
    files = {name: Path(str(path)).resolve() for name, path in named.items()}
    for name, other in combinations(files, 2):
        if files[name] == files[other] and not files[name].is_char_device():
            raise click.UsageError(f"{name} and {other} are the same file: give different files")
