"""What members already said alone while the recipe ran."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.compiler.graph import GENERATE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from composer.evaluate.rows import EvaluationRow
    from composer.run import Result

__all__ = ["Heard", "heard"]

Heard = dict[str, dict[str, tuple[str, float]]]
"""By member and row: the answer, and the dollars that it cost."""


def heard(rows: Mapping[str, EvaluationRow], results: Iterable[Result]) -> Heard:
    """Collect the answers of members that were asked the row's own question, and nothing else.

    They are what the member would say alone, so it need not be asked again.
    """
    found: Heard = {}
    for result in results:
        for name, text in _said(rows[result.id], result):
            found.setdefault(name, {})[result.id] = (text, result.members[name].cost)
    return found


def _said(row: EvaluationRow, result: Result) -> Iterator[tuple[str, str]]:
    question = list(row.question().messages)
    for event in result.trace.events if result.trace is not None else ():
        if event.op != GENERATE or event.gave is None or event.error is not None:
            continue
        for asked in event.asked:
            once = asked.model in result.members and result.members[asked.model].calls == 1
            if once and asked.what == "asked" and list(asked.prompt) == question:
                yield asked.model, asked.text
