"""Generating an answer token by token."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

from composer.engine.fuse_tree import FuseNode
from composer.engine.generation import GenerationState
from composer.engine.requests.draw import Draw
from composer.engine.sequence import SequenceState, prompt_tokens
from composer.engine.sessions.drafted import repeats_draft, write_with_draft
from composer.engine.sessions.prompt_weights import prompt_weights_of, set_prompt_weights
from composer.specs import leaves

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from composer.engine.group import Group
    from composer.engine.requests.draw import Drawn
    from composer.values.flow import Model
    from composer.values.requests import Generate
    from composer.values.results import Completion, Usage

__all__ = ["draw_until_end", "generate", "open_sequence", "total_usage"]


def open_sequence(group: Group, job: Generate, weights: Sequence[float]) -> SequenceState:
    """Open a sequence after the job's prompt and its prefix, which counts as part of the answer."""
    if job.detail is not None:
        group.demand_tokens(job.detail.ids)
    slots = group.running_slots(weights)
    ids = {slot: prompt_tokens(group.slots[slot], job.query, job.prefix) for slot in slots}
    sequence = SequenceState.open(group, weights, ids)
    prefix = job.prefix.encode()
    for state in sequence.states.values():
        state.answer_start -= len(state.slot.runner.model.vocabulary.extend(prefix))
    return sequence


async def generate(
    group: Group, model: Model, job: Generate, on_text: Callable[[str], None] | None
) -> Completion:
    """Draw token after token until the answer ends, with the weights of `model`."""
    answer = GenerationState.of(job, on_text)
    rng = random.Random(job.sampling.seed)  # noqa: S311  # not for secrets
    sequence = open_sequence(group, job, group.weights(model))
    checked: dict[str, object] = {}
    try:
        await set_prompt_weights(sequence, job.query)
        weights = prompt_weights_of(sequence)
        if repeats_draft(group, job):
            checked = {"from_draft": await write_with_draft(sequence, answer, job.query.draft)}
        else:
            await draw_until_end(sequence, answer, rng)
        usage = total_usage(sequence, answer)
        sequence.keep()
    finally:
        sequence.close()
    if len(group.slots) == 1 and not isinstance(group.root, FuseNode):
        usage = {next(leaves(model)).name: u for u in usage.values()}
    completion = answer.close(usage)
    facts = {**completion.facts, **sequence.facts, **checked}
    return replace(completion, left=sequence.dropped, weights=weights, facts=facts)


async def draw_until_end(
    sequence: SequenceState,
    answer: GenerationState,
    rng: random.Random,
    hands_over: Callable[[Draw, Drawn], bool] | None = None,
) -> None:
    """Draw tokens until the answer ends, or until `hands_over` returns True.

    `hands_over` is asked about each token that is drawn; where it returns True, the token is not
    part of the answer.
    """
    while answer.finish is None:
        if not sequence.drop_full_members():
            answer.finish = "context"
            return
        request = Draw(sequence, answer.sampling, rng.random(), detail=answer.detail)
        drawn = await request
        if hands_over is not None and hands_over(request, drawn):
            return
        ends = drawn.entry in sequence.group.space.ends
        piece = sequence.group.piece(drawn.entry)
        answer.add(piece, drawn.logprob, ends=ends, choice=drawn.choice)
        if not ends:
            sequence.append(drawn.entry)
        if answer.finish is None and answer.sampling.max_length is not None:
            longest = max(len(state.ids) for state in sequence.states.values())
            answer.finish = "length" if longest >= answer.sampling.max_length else None


def total_usage(sequence: SequenceState, answer: GenerationState) -> dict[str, Usage]:
    """Usage by model name, with the end token that every model wrote, if the answer has one."""
    end_tokens = int(answer.finish == "stop" and answer.tokens[-1:] == [""])
    return sequence.usage(end_tokens)
