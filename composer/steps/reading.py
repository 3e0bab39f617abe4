"""Reading an answer out of a text."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from composer.methods import Number, Reader
from composer.steps.declare import SAME, step
from composer.values import Candidates, Ranking, Text

if TYPE_CHECKING:
    from composer.steps.site import Site


@step(gives=SAME, may_abstain=True)
def extract(
    given: Text | Candidates | Ranking,
    by: Reader = Number(),
) -> Text | Candidates | Ranking:
    """Read a value out of each answer; an answer without one abstains from votes."""
    if isinstance(given, Text):
        return _read(given, by)
    return replace(given, texts=tuple(_read(text, by) for text in given.texts))


@extract.counts
def all_of_them(site: Site) -> int | None:
    """As many as it is given."""
    return site.inputs[0].count


def _read(text: Text, by: Reader) -> Text:
    return replace(text, value=by.read(text.text), extracted=True)
