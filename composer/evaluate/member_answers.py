"""Answers that members gave alone while the recipe ran: these need not be asked again."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from composer.compiler.graph import GENERATE
from composer.values.media import shown_messages

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from composer.evaluate.rows import EvaluationRow
    from composer.run import Result

__all__ = ["MemberAnswers", "lone_answers", "member_answers"]

MemberAnswers = dict[str, dict[str, tuple[str, float]]]
"""By member and row: the answer, and the dollars that it cost, NaN where not known."""


def member_answers(rows: Mapping[str, EvaluationRow], results: Iterable[Result]) -> MemberAnswers:
    """Collect the answers of members that were asked the row's own question, and nothing else.

    Alone, such a member would give the same answer.
    """
    answers: MemberAnswers = {}
    for result in results:
        for name, text in lone_answers(rows[result.id], result):
            usage = result.members[name]
            dollars = math.nan if usage.unpriced else usage.cost
            answers.setdefault(name, {})[result.id] = (text, dollars)
    return answers


def lone_answers(row: EvaluationRow, result: Result) -> Iterator[tuple[str, str]]:
    """Yield what members answered that were asked the row's own question, once."""
    query = row.question()
    question = shown_messages(query.messages, query.media)
    for event in result.trace.events if result.trace is not None else ():
        if event.op != GENERATE or event.gave is None or event.error is not None:
            continue
        for call in event.asked:
            once = call.model in result.members and result.members[call.model].calls == 1
            if once and call.what == "asked" and list(call.prompt) == question:
                yield call.model, call.text
