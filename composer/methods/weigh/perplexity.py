"""Weights by how likely each member finds the prompt (PackLLM-sim, arXiv:2404.11531)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from composer.engine.requests.read_logits import ReadLogits
from composer.engine.sequence import prompt_tokens
from composer.heavy import torch
from composer.methods.weigh.prompts import ModelPromptWeigh, weighted

if TYPE_CHECKING:
    from composer.engine.sequence import SequenceState
    from composer.values.flow import Query

__all__ = ["PromptPerplexity"]

_AT_ONCE = 256  # positions of a prompt whose logits are held at the same time


class PromptPerplexity(ModelPromptWeigh):
    """Once, from the prompt: softmax(-loss of the prompt / temperature) (PackLLM-sim).

    The loss is the mean over a member's own tokens of the prompt, or over its bytes.
    """

    name: ClassVar[str] = "perplexity"
    paper: ClassVar[str] = "arXiv:2404.11531"

    temperature: float = Field(default=1.0, gt=0)
    per: Literal["token", "byte"] = "token"

    async def prompt_weights(self, sequence: SequenceState, query: Query) -> tuple[float, ...]:
        """Return `exp(-(loss - least loss) / temperature)`; a prompt of one token changes nothing.

        Each member reads the prompt as it is rendered for it, in its own tokens.
        """
        count = len(sequence.weights)
        losses = await self._losses(sequence, query)
        if not losses:
            return (1.0,) * count
        least = min(losses.values())
        gaps = [losses.get(n, math.inf) - least for n in range(count)]
        return tuple(math.exp(-gap / self.temperature) for gap in gaps)

    async def _losses(self, sequence: SequenceState, query: Query) -> dict[int, float]:
        """Return the prompt's mean loss by member; nothing where a prompt is a single token."""
        slots = sequence.group.slots
        counts = {n: len(prompt_tokens(slots[n], query, "")) for n in weighted(sequence)}
        if min(counts.values()) <= 1:
            return {}
        ids = {n: sequence.states[n].ids for n in counts}
        totals = dict.fromkeys(counts, 0.0)
        for start in range(1, max(counts.values()), _AT_ONCE):
            at = {n: list(range(start, min(c, start + _AT_ONCE))) for n, c in counts.items()}
            for n, logits in (await ReadLogits(sequence, at)).items():
                logprobs = logits[:, : slots[n].runner.model.width].log_softmax(-1)
                targets = torch.tensor([ids[n][mark] for mark in at[n]], device=logprobs.device)
                totals[n] -= logprobs.gather(1, targets[:, None]).sum().item()
        vocabularies = {n: slots[n].runner.model.vocabulary for n in counts}
        sizes = {
            n: count - 1 if self.per == "token" else len(vocabularies[n].bytes_of(ids[n][1:count]))
            for n, count in counts.items()
        }
        return {n: totals[n] / max(sizes[n], 1) for n in counts if n in sequence.states}
