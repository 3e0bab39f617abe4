"""Every part by its kind and its name: what a recipe may write for an option of a step."""

from __future__ import annotations

import warnings
from functools import cache
from typing import TYPE_CHECKING, get_args

from composer.parts import (
    agreement,
    align,
    combine,
    estimators,
    extraction,
    judging,
    policies,
    reduction,
    scoring,
    span,
    ties,
)
from composer.ports import Typed

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "composer.parts"
"""The entry-point group through which other packages add parts."""

BUILT_IN: tuple[type[Typed], ...] = (
    extraction.Pattern,
    extraction.Number,
    extraction.Boxed,
    extraction.Option,
    extraction.Line,
    extraction.After,
    extraction.Whole,
    agreement.Exact,
    agreement.Numeric,
    agreement.Bleu,
    agreement.Rouge,
    agreement.F1,
    agreement.Edits,
    reduction.Count,
    reduction.Medoid,
    ties.First,
    ties.Seeded,
    ties.Surest,
    scoring.Confident,
    scoring.Likelihood,
    judging.Judge,
    scoring.Consensus,
    scoring.Shortest,
    scoring.Longest,
    estimators.Uniform,
    estimators.Random,
    estimators.Length,
    estimators.Perplexity,
    estimators.Knn,
    estimators.Linear,
    estimators.Tfidf,
    policies.One,
    policies.Several,
    policies.Blend,
    policies.Threshold,
    align.Shared,
    align.Union,
    combine.Mean,
    combine.Logs,
    span.Words,
)
"""The parts that come with the project."""


def kind_of(part: type[Typed]) -> str:
    """Return the name of a part's kind: the class among its bases that is a `Typed` directly."""
    return next(base for base in part.__mro__ if Typed in base.__bases__).__name__.lower()


def kinds_of(annotation: object) -> tuple[str, ...]:
    """Return the kinds of parts that an option with this annotation takes, in its order.

    `Agreement | None` takes an `agreement`, `tuple[Reader, ...]` readers, `float` nothing.
    """
    if isinstance(annotation, type) and issubclass(annotation, Typed):
        known = annotation is not Typed and kind_of(annotation) in parts()
        return (kind_of(annotation),) if known else ()
    found = (kind for inner in get_args(annotation) for kind in kinds_of(inner))
    return tuple(dict.fromkeys(found))


@cache
def parts() -> dict[str, dict[str, type[Typed]]]:
    """Return the parts by kind and name, those of installed plugins with them."""
    from importlib.metadata import entry_points

    table: dict[str, dict[str, type[Typed]]] = {}
    for part in BUILT_IN:
        table.setdefault(kind_of(part), {})[part.name] = part
    for entry in entry_points(group=GROUP):
        _add(table, entry)
    return table


def _add(table: dict[str, dict[str, type[Typed]]], entry: EntryPoint) -> None:
    """Add a plugin's part, or warn and leave it out: one bad plugin must not stop the others."""
    try:
        part = entry.load()
    except Exception as error:  # noqa: BLE001 - a plugin may raise anything
        _warn(entry, f"it cannot be imported: {error}")
        return
    if not (isinstance(part, type) and issubclass(part, Typed) and part.name):
        _warn(entry, "it is no part: a subclass of a kind, with a name")
    elif part.name in table.setdefault(kind_of(part), {}):
        _warn(entry, f"there is a `{part.name}` already")
    else:
        table[kind_of(part)][part.name] = part


def _warn(entry: EntryPoint, why: str) -> None:
    warnings.warn(f"the part `{entry.name}` ({entry.value}) is left out: {why}", stacklevel=2)
