"""A model in memory with rows: those to search on, and those to measure on what was found."""

from __future__ import annotations

import random
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from composer.diagnostics.amounts import counted
from composer.diagnostics.caches import PACKAGE_VERSION
from composer.fit.coefficients.subject import Subject
from composer.fit.settings import not_trainable
from composer.specs.content import file_digest, json_digest
from composer.specs.digest import canonical

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from composer.engine.weights.in_memory import InMemory
    from composer.evaluate import EvaluationRow, Grading
    from composer.fit.settings import FitSettings
    from composer.methods.edits.searched import Searched
    from composer.methods.fitted import FittedPart
    from composer.specs import Derived, Merge

__all__ = ["Opened", "history_name", "open_subject", "opened_memory"]

_FEWEST = 10
_FORM = "points"
"""Names the form of the histories; another form does not read these."""


@contextmanager
def open_subject(
    part: Searched, model: Merge, settings: FitSettings, *, labelled: bool = True
) -> Iterator[tuple[Subject, list[EvaluationRow], list[EvaluationRow]]]:
    """Open the merge in memory; give it with the rows to search on, and those to measure it on.

    Rows without a reference are left out where they have to be `labelled`.
    """
    with opened_memory(part, model, settings, labelled=labelled) as (memory, how, rows, some, held):
        given = replace(model, by_tensor=None)
        yield Subject(given, memory, how, rows, model, part), some, held


class Opened(NamedTuple):
    """A model in memory, what grades its answers, all rows, those to search on and the others."""

    memory: InMemory
    how: Grading
    rows: list[EvaluationRow]
    some: list[EvaluationRow]
    held: list[EvaluationRow]


@contextmanager
def opened_memory(
    part: FittedPart, model: Derived, settings: FitSettings, *, labelled: bool = True
) -> Iterator[Opened]:
    """Open a model in memory with the rows to search on; raises Mistakes (E509) for too few."""
    from composer.engine.weights.in_memory import InMemory
    from composer.evaluate import read_rows
    from composer.evaluate.grading import opened

    rows = [row for row in read_rows(settings.data) if row.references or not labelled]
    if len(rows) < _FEWEST:
        kind = "with a reference are" if labelled else "are"
        text = f"{counted(len(rows), 'row')} {kind} too few to fit `{part.name}`"
        raise not_trainable(text, f"give {_FEWEST} or more")
    some, held = split(rows, settings)
    with opened(settings.how) as how, InMemory(model, _device(model)) as memory:
        how.check(rows)
        yield Opened(memory, how, rows, some, held)


def split(
    rows: Sequence[EvaluationRow], settings: FitSettings
) -> tuple[list[EvaluationRow], list[EvaluationRow]]:
    """Return the rows to search on and those that are left out, drawn by the seed."""
    shuffled = list(rows)
    random.Random(settings.seed).shuffle(shuffled)
    count = max(1, len(shuffled) // settings.folds)
    return shuffled[count:], shuffled[:count]


def history_name(part: FittedPart, model: Derived, settings: FitSettings) -> str:
    """Name the history of a search by all that its points and scores depend on."""
    from composer.evaluate.grading import opened

    with opened(settings.how) as how:
        identity = how.identity
    data = [file_digest(settings.data), settings.seed, settings.folds, identity]
    return json_digest([PACKAGE_VERSION, _FORM, part.name, canonical(model), *data])


def _device(model: Derived) -> str:
    """Return where the merge is searched: where it runs, on a GPU if there is one."""
    from composer.heavy import torch

    wish = model.weights.device
    return ("cuda" if torch.cuda.is_available() else "cpu") if wish == "auto" else wish
