"""One member writes until a rule hands the rest of the answer to another."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from composer.engine.generation import GenerationState
from composer.engine.sessions.base import usage_by_member
from composer.engine.sessions.generate import draw_until_end, open_sequence, total_usage
from composer.engine.sessions.prompt_weights import set_prompt_weights
from composer.values.requests import Span

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from composer.engine.group import Group
    from composer.engine.handover import When
    from composer.engine.requests.draw import Draw, Drawn
    from composer.engine.sequence import SequenceState
    from composer.specs import Handoff
    from composer.values.flow import Model
    from composer.values.requests import Completion, Generate, Usage

__all__ = ["hand_off"]


async def hand_off(
    handoff: Handoff, groups: Sequence[Group], job: Generate, on_text: Callable[[str], None] | None
) -> Completion:
    """Let the first member write, and whoever it is handed to go on to the end.

    ETR, arXiv:2403.16854. The text goes over, not the tokens, so that any model can take it.
    """
    when = cast("When", handoff.when.load()(handoff.names[1:]))
    answer = GenerationState(job.sampling, on_text)
    luck = random.Random(job.sampling.seed)  # noqa: S311  # not for secrets
    parts: list[tuple[str, Group, Mapping[str, Usage]]] = []
    gone: dict[str, str] = {}
    spans: list[Span] = []
    chosen: int | None = 0
    while chosen is not None:
        place, written = chosen, len(answer.writer.text)
        part = replace(job, prefix=job.prefix + answer.writer.text)
        chosen, sequence, usage = await _stretch(
            groups[place],
            part,
            handoff.members[place],
            answer,
            luck,
            None if place else when,
        )
        name = handoff.names[place]
        parts.append((name, groups[place], usage))
        gone |= sequence.dropped
        spans.append(Span(answer.writer.text[written:], name, {}, {}))
    return replace(answer.close(usage_by_member(parts)), spans=tuple(spans), left=gone)


async def _stretch(  # noqa: PLR0913  # what one stretch of an answer is made of
    group: Group,
    job: Generate,
    member: Model,
    answer: GenerationState,
    luck: random.Random,
    when: When | None,
) -> tuple[int | None, SequenceState, dict[str, Usage]]:
    """One member's part of the answer: who goes on, where it ended, what each model was given."""
    chosen: int | None = None

    def over(request: Draw, found: Drawn) -> bool:
        nonlocal chosen
        if chosen is None and when is not None:
            expert = when(request, found, answer)
            chosen = None if expert is None else expert + 1
        return chosen is not None and answer.writer.whole  # an expert cannot end half a character

    sequence = open_sequence(group, job, group.weights(member))
    sequence.answer_length = len(answer.tokens)
    try:
        await set_prompt_weights(sequence, job.query)
        await draw_until_end(sequence, answer, luck, over)
        goes_on = chosen if answer.finish is None else None
        return goes_on, sequence, total_usage(sequence, answer)
    finally:
        sequence.close()
