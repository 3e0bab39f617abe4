"""One member writes until a rule hands the rest of the answer to another."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from composer.engine.generation import GenerationState
from composer.engine.sessions.base import usage_by_member
from composer.engine.sessions.generate import draw_until_end, open_sequence, total_usage
from composer.engine.sessions.parts import Handover
from composer.engine.sessions.prompt_weights import set_prompt_weights
from composer.engine.sessions.writers import Writers
from composer.values.results import Span

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from composer.engine.group import Group
    from composer.engine.requests.draw import Draw, Drawn
    from composer.engine.sequence import SequenceState
    from composer.specs import Handoff
    from composer.values.flow import Model
    from composer.values.requests import Generate
    from composer.values.results import Completion, Usage

__all__ = ["hand_off"]


async def hand_off(
    handoff: Handoff, groups: Sequence[Group], job: Generate, on_text: Callable[[str], None] | None
) -> Completion:
    """Generate with the first member until its rule hands the answer over; that member goes on.

    ETR, arXiv:2403.16854. The text is handed over, not the tokens, so that any model can go on.
    """
    when = handoff.when
    assert isinstance(when, Handover)
    when = when.prepare(groups[0])
    answer = GenerationState.of(job, on_text)
    writers = Writers.of(handoff.names, groups[0], job.detail)
    rng = random.Random(job.sampling.seed)  # noqa: S311  # not for secrets
    usages: list[tuple[str, Group, Mapping[str, Usage]]] = []
    dropped: dict[str, str] = {}
    spans: list[Span] = []
    next_member: int | None = 0
    while next_member is not None:
        member, start = next_member, len(answer.writer.text)
        part = replace(job, prefix=job.prefix + answer.writer.text)
        rule = None if member else when
        name, group = handoff.names[member], groups[member]
        answer.sign = partial(writers.sign, writer=name, group=group)
        next_member, sequence, usage = await _generate_part(
            group, part, handoff.members[member], answer, rng, rule
        )
        usages.append((name, group, usage))
        dropped |= sequence.dropped
        spans.append(Span(answer.writer.text[start:], name, {}, {}))
    return replace(answer.close(usage_by_member(usages)), spans=tuple(spans), left=dropped)


async def _generate_part(  # noqa: PLR0913  # what one part of an answer is made of
    group: Group,
    job: Generate,
    member: Model,
    answer: GenerationState,
    rng: random.Random,
    when: Handover | None,
) -> tuple[int | None, SequenceState, dict[str, Usage]]:
    """Generate one member's part of the answer.

    Returns the number of the member that goes on (None at the end), the closed sequence, and the
    usage by model.
    """
    next_member: int | None = None

    def hands_over(request: Draw, drawn: Drawn) -> bool:
        nonlocal next_member
        del request
        if next_member is None and when is not None:
            expert = when.expert(drawn, answer)
            next_member = None if expert is None else expert + 1
        # the next member cannot complete half a character
        return next_member is not None and answer.writer.whole

    sequence = open_sequence(group, job, group.weights(member))
    sequence.answer_length = len(answer.tokens)
    try:
        await set_prompt_weights(sequence, job.query)
        await draw_until_end(sequence, answer, rng, hands_over)
        successor = next_member if answer.finish is None else None
        return successor, sequence, total_usage(sequence, answer)
    finally:
        sequence.close()
