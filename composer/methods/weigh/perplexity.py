"""Weights by how likely each member finds the prompt."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import torch

from composer.engine.requests.read_logits import ReadLogits
from composer.engine.sequence import prompt_tokens
from composer.methods.weigh.prompts import lone, weighed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.engine.parts import Member
    from composer.engine.sequence import SequenceState
    from composer.engine.sessions.prompt_weights import PromptWeights
    from composer.values.flow import Query

__all__ = ["perplexity"]

_AT_ONCE = 256  # positions of a prompt whose logits are held at the same time


def perplexity(
    sides: Sequence[Member], *, temperature: float = 1.0, per: Literal["token", "byte"] = "token"
) -> PromptWeights:
    """`softmax(-loss / temperature)` of the prompt's mean loss, in nats, under each member.

    Each reads the prompt as it is rendered for it, in its own tokens. Where a prompt is a single
    token nothing can be told, and the weights stay as they are.
    """
    lone(sides, "perplexity")

    async def prior(sequence: SequenceState, query: Query) -> tuple[float, ...]:
        losses = await _losses(sequence, query, per)
        if not losses:
            return (1.0,) * len(sides)
        least = min(losses.values())
        gaps = [losses.get(n, math.inf) - least for n in range(len(sides))]
        return tuple(math.exp(-gap / temperature) for gap in gaps)

    return prior


async def _losses(
    sequence: SequenceState, query: Query, per: Literal["token", "byte"]
) -> dict[int, float]:
    """The prompt's mean loss by leaf; none if a leaf has nothing to tell."""
    slots = sequence.group.slots
    counts = {n: len(prompt_tokens(slots[n], query, "")) for n in weighed(sequence)}
    if min(counts.values()) <= 1:
        return {}
    ids = {n: sequence.states[n].ids for n in counts}
    totals = dict.fromkeys(counts, 0.0)
    for start in range(1, max(counts.values()), _AT_ONCE):
        at = {n: list(range(start, min(c, start + _AT_ONCE))) for n, c in counts.items()}
        for n, logits in (await ReadLogits(sequence, at)).items():
            said = logits[:, : slots[n].runner.model.width].log_softmax(-1)
            wanted = torch.tensor([ids[n][mark] for mark in at[n]], device=said.device)
            totals[n] -= said.gather(1, wanted[:, None]).sum().item()
    words = {n: slots[n].runner.model.vocabulary for n in counts}
    sizes = {
        n: count - 1 if per == "token" else len(words[n].bytes_of(ids[n][1:count]))
        for n, count in counts.items()
    }
    return {n: totals[n] / max(sizes[n], 1) for n in counts if n in sequence.states}
