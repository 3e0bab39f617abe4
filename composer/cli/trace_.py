"""`compose trace`: what happened for each query, out of the file that `run --trace FILE` wrote."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from composer.cli.common import InputFile
from composer.cli.terminal import err, out

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VERSIONS = (1, 2)
"""The versions of traces that this reads."""

NEEDED = ("id", "query", "steps")


@click.command()
@click.argument("file", type=InputFile())
@click.option("--id", "ids", multiple=True, metavar="ID", help="Show only this query.")
@click.option("--full", is_flag=True, help="Show whole prompts.")
@click.option("--json", "as_json", is_flag=True, help="Print the raw traces, one on each line.")
def command(file: Path, ids: tuple[str, ...], *, full: bool, as_json: bool) -> None:
    """Show what happened for each query, out of the file that `run --trace FILE` wrote."""
    traces = list(read_traces(file))
    chosen = _chosen(traces, ids, file)
    if as_json:
        for trace in chosen:
            out(json.dumps(trace, ensure_ascii=False), as_json=True)
        return
    from composer.cli.timeline import show

    show(chosen, full=full)


def read_traces(file: Path) -> Iterator[dict[str, Any]]:
    """Yield the traces of a file; a last line that was torn off is passed over with a note."""
    from composer.run.result import Failure

    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise Failure("E503", f"{file} cannot be read: {error}") from None
    lines = text.removesuffix("\n").split("\n")
    torn = bool(text) and not text.endswith("\n")
    for number, line in enumerate(lines, 1):
        trace = _trace(line)
        if trace is not None:
            yield trace
        elif torn and number == len(lines):
            err(f"{file}: the last line is incomplete and is ignored")
        elif line.strip():
            text = f"{file}, line {number}, is not a trace that this version can read"
            raise Failure("E504", text, "write one with `compose run RECIPE --trace FILE`")


def _trace(line: str) -> dict[str, Any] | None:
    """Return a line's trace, if it is one with all that is needed to show it."""
    try:
        trace = json.loads(line)
    except ValueError:
        return None
    if not isinstance(trace, dict) or trace.get("version") not in VERSIONS:
        return None
    steps = trace.get("steps")
    is_complete = all(name in trace for name in NEEDED) and isinstance(steps, list)
    return trace if is_complete and all(map(_is_step, steps or ())) else None


def _is_step(step: object) -> bool:
    if not isinstance(step, dict):
        return False
    kinds = {"step": str, "op": str, "asked": list, "notes": dict}
    return (
        all(isinstance(step.get(name), kind) for name, kind in kinds.items())
        and all(isinstance(step.get(name), int | float) for name in ("start", "seconds"))
        and {"gave", "error"} <= step.keys()
        and all(map(_is_call, step["asked"]))
    )


def _is_call(call: object) -> bool:
    if not isinstance(call, dict):
        return False
    kinds = {"model": str, "what": str, "prompt": list, "text": str, "tokens": int, "spans": list}
    return all(isinstance(call.get(name), kind) for name, kind in kinds.items())


def _chosen(traces: list[dict[str, Any]], ids: tuple[str, ...], file: Path) -> list[dict[str, Any]]:
    """Return the traces with these ids, or all of them."""
    known_ids = {str(each["id"]) for each in traces}
    for each in ids:
        if each not in known_ids:
            from composer.diagnostics import did_you_mean

            raise click.UsageError(f"{file} has no query {each!r}; {did_you_mean(each, known_ids)}")
    return [each for each in traces if not ids or str(each["id"]) in ids]
