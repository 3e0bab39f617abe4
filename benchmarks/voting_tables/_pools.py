"""Pools of recorded models, and what they answered, read through a recipe."""

from __future__ import annotations

import gzip
import json
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from composer.fit.answers import answers_of
from composer.fit.settings import FitSettings
from composer.methods.reductions.held_out import fitted_on
from composer.methods.selecting import comparisons
from composer.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from composer.compiler.graph import Node
    from composer.methods.agreements.base import Comparison
    from composer.methods.answer_table import AnswerTable
    from composer.methods.reductions.held_out import Selector

WHOLE = "whole(as_written = true)"
"""All of a text, with the spaces at its ends: the values of Python that crux asks for."""


@dataclass(frozen=True)
class Pool:
    """Models of a recorded file, how answers are read, and how they are compared."""

    file: str
    members: tuple[str, ...]
    reader: str
    by: str

    @property
    def bank(self) -> str:
        """The part of a recipe up to the vote; the branches are named `m0`, `m1` and so on."""
        names = [f"m{at}" for at in range(len(self.members))]
        models = [
            f'model {name} = recorded("{self.file}.jsonl.gz", {json.dumps(member)})'
            for name, member in zip(names, self.members, strict=True)
        ]
        return "\n".join([*models, f"[{', '.join(names)}] -> extract({self.reader})"])


@dataclass(frozen=True, eq=False)
class Answers:
    """What a pool answered on every row, compared; and the vote that the recipe ends with."""

    table: AnswerTable
    comparisons: tuple[Comparison, ...]

    def taken(self, rows: Sequence[int]) -> Answers:
        """Return some of the rows."""
        return Answers(self.table.taken(rows), tuple(self.comparisons[at] for at in rows))

    def fitted(self, part: Selector) -> Selector:
        """Return a vote fitted on these rows."""
        return fitted_on(part, self.table, self.comparisons, 0)

    def quality(self, part: Selector) -> list[float]:
        """Return the quality of a vote's choice on each row, the mean over answers that lead."""
        return [
            row.quality_of_choice(part.values(row.candidates, comparison))
            for row, comparison in zip(self.table.rows, self.comparisons, strict=True)
        ]

    def best_quality(self) -> list[float]:
        """Return the quality of the best answer to each row: that of an oracle."""
        return [max(quality or 0.0 for quality in row.quality) for row in self.table.rows]

    def quality_of(self, member: str) -> list[float]:
        """Return the quality of a member on each row."""
        return [row.quality_of_member(member) for row in self.table.rows]


def lines_of(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file of JSON lines that is packed with gzip."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def recorded_file(data: Path, file: str) -> Path:
    """Return where the recorded answers of a name are."""
    return data / "recorded" / f"{file}.jsonl.gz"


def members_of(data: Path, file: str) -> tuple[str, ...]:
    """Return all models of a recorded file, by name."""
    rows = lines_of(recorded_file(data, file))
    return tuple(sorted({name for row in rows for name in row["recorded"]}))


@cache
def answers(data: Path, pool: Pool) -> Answers:
    """Run the recipe up to its vote on every row of the file."""
    with tempfile.TemporaryDirectory() as folder:
        recipe = Path(folder) / "pool.ens"
        source = recorded_file(data, pool.file)
        file = Path(folder) / source.name
        file.symlink_to(source)
        recipe.write_text(f"{pool.bank} -> vote(by = {pool.by})\n", encoding="utf-8")
        loaded = Recipe.load(recipe)
        node = loaded.compiled.answer
        assert node is not None
        table = answers_of(node, FitSettings(loaded, file), labelled=True)
        return Answers(table, comparisons(table, node.settled("by")))


def vote_of(text: str) -> Selector:
    """Return the vote of a recipe's text, such as `log_odds(source = "agreement")`."""
    with tempfile.TemporaryDirectory() as folder:
        recipe = Path(folder) / "vote.ens"
        recipe.write_text(f'use "zoo.ens" (A, B, C)\n\n[A, B, C] -> vote(reduce = {text})\n')
        node: Node | None = Recipe.load(recipe).compiled.answer
        assert node is not None
        part: Selector = node.settled("reduce")
        return part
