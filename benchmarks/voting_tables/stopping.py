"""Votes that stop asking: how many answers they take, and whether the winner is the same."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from table_text import markdown

from composer.evaluate import read_rows
from composer.metrics import mean_interval
from composer.recipe import Recipe
from voting_tables._pools import recorded_file
from voting_tables.closed import pool_of

if TYPE_CHECKING:
    from composer.run import Result

NAMES = ("gsm small5", "gsm mid7", "crux small7", "crux mid7")
HEAD = ("pool", "full vote", "asked in the mean", "saved", "turns", "batch of 3", "turns", "same")
DRAWS = 'model A = recorded("thoughts_date.jsonl.gz", "gpt-3.5-turbo/cot1")\nsample(A, 20)'


@dataclass(frozen=True)
class Run:
    """What a vote took on each row: answers and turns, and who won."""

    answers: tuple[int, ...]
    turns: tuple[int, ...]
    winners: tuple[str | None, ...]


def table(data: Path) -> str:
    """Return how many answers votes take that stop early, over members and over draws."""
    rows = []
    for name in NAMES:
        pool = pool_of(data, name)
        rows.append([name, *_row(data, pool.file, pool.bank)])
    rows.append(["date, 20 draws", *_row(data, "thoughts_date", f"{DRAWS} -> extract(line())")])
    return markdown(HEAD, rows)


def _row(data: Path, file: str, bank: str) -> list[str]:
    """Compare the full vote with one that stops early, one or three at a time."""
    how = "by = verbatim()" if "crux" in file else "by = exact()"
    full = _run(data, file, f"{bank} -> vote({how})")
    early = _run(data, file, f"{bank} -> vote({how}, until = decided())")
    batches = _run(data, file, f"{bank} -> vote({how}, until = decided(batch = 3))")
    mean = mean_interval(early.answers)
    saved = 1 - sum(early.answers) / sum(full.answers)
    same = full.winners == early.winners == batches.winners
    return [
        f"{fmean(full.answers):.2f}",
        f"{mean.mean:.2f} ({mean.low:.2f} to {mean.high:.2f})",
        f"{100 * saved:.1f} %",
        f"{fmean(early.turns):.2f}",
        f"{fmean(batches.answers):.2f}",
        f"{fmean(batches.turns):.2f}",
        "yes" if same else "NO",
    ]


def _run(data: Path, file: str, text: str) -> Run:
    with tempfile.TemporaryDirectory() as folder:
        recipe, source = Path(folder) / "vote.ens", recorded_file(data, file)
        (Path(folder) / source.name).symlink_to(source)
        recipe.write_text(f"{text}\n", encoding="utf-8")
        queries = [row.question() for row in read_rows(source)]
        with Recipe.load(recipe).ready(cache=False) as ensemble:
            results = list(ensemble.map(queries))
    return Run(
        tuple(sum(used.calls for used in one.members.values()) for one in results),
        tuple(map(_turns, results)),
        tuple(one.answer for one in results),
    )


def _turns(result: Result) -> int:
    """Return how often a vote waited for answers: once, where all are asked at once."""
    events = result.trace.events if result.trace is not None else ()
    return max((len(event.notes.get("asked", ())) for event in events), default=0) or 1
