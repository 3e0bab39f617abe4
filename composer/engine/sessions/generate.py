"""Writing an answer token by token."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

from composer.engine.fuse_tree import FuseNode
from composer.engine.generation import GenerationState
from composer.engine.requests.draw import Draw
from composer.engine.sequence import SequenceState, prompt_tokens
from composer.engine.sessions.prompt_weights import prompt_weights_of, set_prompt_weights
from composer.specs import leaves
from composer.values.requests import Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from composer.engine.group import Group
    from composer.engine.requests.draw import Drawn
    from composer.values.flow import Model
    from composer.values.requests import Completion, Generate

__all__ = ["draw_until_end", "generate", "open_sequence", "total_usage"]


def open_sequence(group: Group, job: Generate, weights: Sequence[float]) -> SequenceState:
    """Open a cursor where the job's answer begins, or goes on from its prefix."""
    ids = {
        slot: prompt_tokens(group.slots[slot], job.query, job.prefix)
        for slot in group.running_slots(weights)
    }
    sequence = SequenceState.open(group, weights, ids)
    for state in sequence.states.values():  # what is gone on from is of the answer
        state.answer_start -= len(state.slot.runner.model.vocabulary.extend(job.prefix.encode()))
    return sequence


async def generate(
    group: Group, model: Model, job: Generate, on_text: Callable[[str], None] | None
) -> Completion:
    """Draw until the answer ends, with the weights that the model says."""
    answer = GenerationState(job.sampling, on_text)
    luck = random.Random(job.sampling.seed)  # noqa: S311  # not for secrets
    sequence = open_sequence(group, job, group.weights(model))
    try:
        await set_prompt_weights(sequence, job.query)
        weights = prompt_weights_of(sequence)
        await draw_until_end(sequence, answer, luck)
        usage = total_usage(sequence, answer)
    finally:
        sequence.close()
    if len(group.slots) == 1 and not isinstance(group.root, FuseNode):
        usage = {next(leaves(model)).name: u for u in usage.values()}
    return replace(answer.close(usage), left=sequence.dropped, weights=weights)


async def draw_until_end(
    sequence: SequenceState,
    answer: GenerationState,
    luck: random.Random,
    over: Callable[[Draw, Drawn], bool] | None = None,
) -> None:
    """Draw until the answer ends, or until `over` says that somebody else goes on from here.

    What `over` is asked about is not written if it says yes.
    """
    while answer.finish is None:
        if not sequence.drop_full_members():
            answer.finish = "context"
            return
        request = Draw(sequence, answer.sampling, luck.random())
        found = await request
        if over is not None and over(request, found):
            return
        ends = found.entry in sequence.group.space.ends
        answer.add(sequence.group.piece(found.entry), found.logprob, ends=ends)
        if not ends:
            sequence.append(found.entry)
        if answer.finish is None and answer.sampling.max_length is not None:
            longest = max(len(state.ids) for state in sequence.states.values())
            answer.finish = "length" if longest >= answer.sampling.max_length else None


def total_usage(sequence: SequenceState, answer: GenerationState) -> dict[str, Usage]:
    """What each model was given, and the end that all of them said."""
    ended = int(answer.finish == "stop" and answer.tokens[-1:] == [""])
    return {name: u + Usage(0, 0, ended) for name, u in sequence.usage().items()}
