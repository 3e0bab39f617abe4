"""Cascades: asking the next model when the last answer is not good enough."""

from __future__ import annotations

from composer.parts import Constant, Operation, Rule, Signal
from composer.ports import Asker, Later, Query, Text
from composer.steps.declare import step

SURE = Rule(Operation(">=", (Signal("confidence"), Constant(0.6))))


@step(paper="arXiv:2305.05176")
async def cascade(
    first: Query | Text, *stages: Later[Text], accept: Rule = SURE, ask: Asker
) -> Text:
    """Take the first answer that `accept` holds for, asking the next stage until one does.

    Given an answer, that is the first attempt; given a query, the first stage makes it. The last
    stage's answer is taken as it is. Where `accept` cannot be known (a signal that the answer
    lacks), the next stage is asked.
    """
    rest = list(stages)
    answer = first if isinstance(first, Text) else await rest.pop(0)()
    asked: list[dict[str, object]] = []
    for stage in rest:
        verdict = accept.holds(answer)
        asked.append(
            {
                "answer": answer.text,
                "by": answer.source,
                "accepted": verdict.holds,
                "rule": str(accept),
                "signals": dict(verdict.facts),
                "next": None if verdict.holds else stage.name,
            }
        )
        ask.note(stages=asked)
        if verdict.holds:
            return answer
        answer = await stage()
    return answer
