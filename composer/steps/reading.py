"""Reading an answer out of a text."""

from __future__ import annotations

from dataclasses import replace

from composer.parts import Number, Reader
from composer.ports import Candidates, Ranking, Text
from composer.steps.declare import SAME, step


@step(gives=SAME)
def extract(
    given: Text | Candidates | Ranking,
    by: Reader = Number(),
) -> Text | Candidates | Ranking:
    """Read a value out of each answer; an answer without one abstains from votes."""
    if isinstance(given, Text):
        return _read(given, by)
    return replace(given, texts=tuple(_read(text, by) for text in given.texts))


def _read(text: Text, by: Reader) -> Text:
    return replace(text, value=by.read(text.text), extracted=True)
