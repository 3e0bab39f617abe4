"""Traces in the terminal: for each query its steps in order, each with a bar of its time."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from composer.cli.terminal import has_colours, is_terminal, out
from composer.diagnostics import visible
from composer.diagnostics.amounts import counted
from composer.run.trace_text import clipped, shown_steps, step_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import TextIO

BAR = 24
"""Columns of a bar."""

PROMPT, ANSWER = 160, 72
"""Characters of a prompt, and of what a step gave, that are shown without `--full`."""

PIPED = 110
"""Columns where the output is no terminal."""

EIGHTHS = " ▏▎▍▌▋▊▉█"


def show(traces: Sequence[Mapping[str, Any]], *, full: bool) -> None:
    """Draw traces on stdout."""
    out(drawn(traces, full=full), end="", drawn=True)


def drawn(traces: Sequence[Mapping[str, Any]], *, full: bool, stream: TextIO | None = None) -> str:
    """Return traces as they are drawn on a stream, stdout unless another one is named."""
    stream = sys.stdout if stream is None else stream
    width = None if is_terminal(stream) else PIPED
    console = Console(highlight=False, width=width, emoji=False, no_color=not has_colours(stream))
    with console.capture() as capture:
        for at, trace in enumerate(traces):
            if at:
                console.print()
            console.print(_tree(trace, full=full))
    return capture.get()


def _tree(trace: Mapping[str, Any], *, full: bool) -> Tree:
    """Draw the steps of one query."""
    steps = shown_steps(trace)
    total = max((step["start"] + step["seconds"] for step in trace["steps"]), default=0.0)
    tree = Tree(_headline(trace, steps, total, full=full), guide_style="bright_black")
    id_width = max((len(step["step"]) for step in steps), default=0)
    op_width = max((len(step["op"]) for step in steps), default=0)
    for step in steps:
        label = Text.assemble(
            (f"{visible(step['step']):<{id_width}} ", "bright_black"),
            (f"{visible(step['op']):<{op_width}}  ", "bold red" if step["error"] else "bold"),
            (bar(step["start"], step["seconds"], total), "cyan"),
            (f"  {step['seconds']:.3f} s", "bright_black"),
        )
        _add_lines(tree.add(label), _step_lines(step, trace["query"], full=full))
    return tree


def _headline(
    trace: Mapping[str, Any], steps: list[dict[str, Any]], total: float, *, full: bool
) -> Text:
    """Name the query, its answer, and what it took."""
    calls = sum(len(step["asked"]) for step in steps)
    tokens = sum(call["tokens"] for step in steps for call in step["asked"])
    last_step = max(steps, key=lambda step: step["start"] + step["seconds"], default=None)
    failed = last_step is not None and last_step["error"]
    answer = (
        f"failed: {failed}"
        if failed
        else " ".join(str(last_step["gave"] if last_step else "").split())
    )
    limit = None if full else PROMPT
    return Text.assemble(
        (f"{visible(str(trace['id']))}  ", "bold"),
        visible(clipped(str(trace["query"]), limit)),
        ("  \N{RIGHTWARDS ARROW}  ", "bright_black"),
        (visible(clipped(answer, limit)), "bold red" if failed else "bold green"),
        (
            f"   {total:.3f} s, {counted(calls, 'question')}, {counted(tokens, 'token')}",
            "bright_black",
        ),
    )


def _add_lines(branch: Tree, lines: Iterable[tuple[int, str]]) -> None:
    """Add the lines of a step below it."""
    above = [branch]
    for depth, line in lines:
        text = Text(visible(line), style="red" if line.startswith("failed:") else "")
        del above[depth + 1 :]
        above.append(above[-1].add(text))


def _step_lines(step: Mapping[str, Any], query: str, *, full: bool) -> Iterator[tuple[int, str]]:
    """Yield the lines of a step; its output comes last, unless a call shows the same text."""
    yield from step_lines(step, prompts=None if full else PROMPT, query=None if full else query)
    output = step["gave"]
    if output is not None and output not in [call["text"] for call in step["asked"]]:
        yield 0, f"gave {clipped(output, None if full else ANSWER)!r}"


def bar(start: float, seconds: float, total: float) -> str:
    """Draw when a step ran within its query, to an eighth of a column."""
    if total <= 0:
        return " " * BAR
    first = min(BAR - 1, int(start / total * BAR))
    eighths = max(1, round(seconds / total * BAR * 8))
    eighths = min(eighths, (BAR - first) * 8)
    drawn = " " * first + EIGHTHS[8] * (eighths // 8)
    return (drawn + EIGHTHS[eighths % 8].strip()).ljust(BAR)
