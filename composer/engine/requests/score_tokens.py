"""What models make of a text that they are given in tokens of their own."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import torch

from composer.engine.fault import drop_nan_member
from composer.engine.requests.base import END, Replies, StepRequest
from composer.engine.sample import likeliest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from torch import Tensor

    from composer.engine.group import Group
    from composer.engine.phase import Phase
    from composer.engine.requests.reading import MemberLogits
    from composer.engine.sequence import MemberState, SequenceState
    from composer.values.processing import Processing
    from composer.values.requests import Sampling

__all__ = ["ScoreTokens", "TokenScores"]


@dataclass(frozen=True, slots=True)
class TokenScores:
    """For each token its log-probability under the model itself, and the likeliest token there."""

    logprobs: list[float]
    likeliest: list[int]


@dataclass(eq=False)
class ScoreTokens(StepRequest[dict[int, TokenScores]]):
    """Ask leaves for the log-probabilities of the last tokens of their own, which they were given.

    `END` as the last one stands for any of the model's end tokens, and is not given. The reply has
    what each leaf says, over its own vocabulary, whatever the group makes of it.
    """

    sequence: SequenceState
    tokens: Mapping[int, Sequence[int]]
    phase: Phase | None = None
    sampling: Sampling | None = None

    @property
    def processing(self) -> Processing | None:
        """As who writes asks."""
        return self.sampling.processing if self.sampling else None

    def reads(self, slot: int) -> bool:
        """Only leaves that were given something read."""
        return bool(self.tokens.get(slot))

    def logit_positions(self, slot: int, state: MemberState) -> tuple[Sequence[int], int]:
        """Logits are wanted before every token."""
        tokens = self.tokens[slot]
        start = len(state.ids) - len(tokens) + (tokens[-1] == END)
        return range(start, start + len(tokens)), start + len(tokens) - 1

    @classmethod
    def answer(cls, group: Group, asked: Sequence[tuple[ScoreTokens, MemberLogits]]) -> Replies:
        """Answer all of them with one transfer to the host."""
        own = [(request, logits.by_slot()) for request, logits in asked]
        lines = [(r, slot, logits[slot]) for r, logits in own for slot in sorted(logits)]
        parts = [part for line in lines for part in _scored(group, *line)]
        values = iter(torch.cat(parts).tolist() if parts else ())
        replies = Replies()
        for request, logits in own:
            scores = {slot: _told(request.tokens[slot], values) for slot in sorted(logits)}
            if any(math.isnan(sum(each.logprobs)) for each in scores.values()):
                heard = [logits.get(n) for n in range(len(group.slots))]
                replies.fail(request, drop_nan_member(request.sequence, heard, slice(None)))
            else:
                replies.give(request, scores)
        return replies


def _told(tokens: Sequence[int], values: Iterator[float]) -> TokenScores:
    """Scores of tokens, out of numbers of the host."""
    logprobs = list(islice(values, len(tokens)))
    return TokenScores(logprobs, [int(each) for each in islice(values, len(tokens))])


def _scored(group: Group, request: ScoreTokens, slot: int, logits: Tensor) -> tuple[Tensor, Tensor]:
    """Log-probabilities [token] of what a leaf was given, and its likeliest tokens [token]."""
    given = torch.tensor(request.tokens[slot], device=logits.device)
    whole = logits.logsumexp(-1)
    at = logits.gather(1, given.clamp(min=0)[:, None])[:, 0]
    if request.tokens[slot][-1] == END:
        ends = sorted(e for e in group.slots[slot].runner.model.ends if e < logits.shape[1])
        at[-1] = logits[-1, ends].logsumexp(-1)
    parts = ((at - whole).double(), likeliest(logits).double())
    return parts[0].to(group.device), parts[1].to(group.device)
