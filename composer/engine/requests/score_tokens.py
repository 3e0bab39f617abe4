"""Scoring a text that each model is given in its own tokens, without fusing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from composer.engine.requests.base import END, Replies, StepRequest, drop_nan_member
from composer.engine.sample import likeliest
from composer.heavy import torch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from torch import Tensor

    from composer.engine.group import Group
    from composer.engine.requests.base import Phase
    from composer.engine.requests.reading import MemberLogits
    from composer.engine.sequence import MemberState, SequenceState
    from composer.values.processing import Processing
    from composer.values.requests import Sampling

__all__ = ["ScoreTokens", "TokenScores"]


@dataclass(frozen=True, slots=True)
class TokenScores:
    """One model's log-probability of each token, and the likeliest token in its place."""

    logprobs: list[float]
    likeliest: list[int]


@dataclass(eq=False)
class ScoreTokens(StepRequest[dict[int, TokenScores]]):
    """Log-probabilities of the last tokens of some slots: `tokens[slot]` are these tokens.

    They are part of the slot's state already, but for `END` as the last one: it stands for any end
    token of the model, and is scored without being read. The reply has each slot's scores over its
    own vocabulary; nothing is fused.
    """

    sequence: SequenceState
    tokens: Mapping[int, Sequence[int]]
    phase: Phase | None = None
    sampling: Sampling | None = None

    @property
    def processing(self) -> Processing | None:
        """The logits processors of the sampling options, if there are any."""
        return self.sampling.processing if self.sampling else None

    def reads(self, slot: int) -> bool:
        """Only slots with tokens read."""
        return bool(self.tokens.get(slot))

    def logit_positions(self, slot: int, state: MemberState) -> tuple[Sequence[int], int]:
        """Logits are wanted before every token."""
        tokens = self.tokens[slot]
        start = len(state.ids) - len(tokens) + (tokens[-1] == END)
        return range(start, start + len(tokens)), start + len(tokens) - 1

    @classmethod
    def answer(cls, group: Group, requests: Sequence[tuple[ScoreTokens, MemberLogits]]) -> Replies:
        """Score all requests with one transfer to the host."""
        pairs = [(request, logits.by_slot()) for request, logits in requests]
        parts = [
            part
            for request, logits in pairs
            for slot in sorted(logits)
            for part in _score(group, request, slot, logits[slot])
        ]
        values = iter(torch.cat(parts).tolist() if parts else ())
        replies = Replies()
        for request, logits in pairs:
            scores = {slot: _scores(request.tokens[slot], values) for slot in sorted(logits)}
            if any(math.isnan(sum(score.logprobs)) for score in scores.values()):
                in_order = [logits.get(slot) for slot in range(len(group.slots))]
                replies.fail(request, drop_nan_member(request.sequence, in_order, slice(None)))
            else:
                replies.give(request, scores)
        return replies


def _scores(tokens: Sequence[int], values: Iterator[float]) -> TokenScores:
    """Take the scores of some tokens from numbers on the host."""
    logprobs = list(islice(values, len(tokens)))
    return TokenScores(logprobs, [int(value) for value in islice(values, len(tokens))])


def _score(group: Group, request: ScoreTokens, slot: int, logits: Tensor) -> tuple[Tensor, Tensor]:
    """Log-probabilities [token] of a slot's tokens, and the likeliest tokens [token]."""
    tokens = torch.tensor(request.tokens[slot], device=logits.device)
    normalizers = logits.logsumexp(-1)
    scores = logits.gather(1, tokens.clamp(min=0)[:, None])[:, 0]
    if request.tokens[slot][-1] == END:
        ends = sorted(e for e in group.slots[slot].runner.model.ends if e < logits.shape[1])
        scores[-1] = logits[-1, ends].logsumexp(-1)
    width = group.slots[slot].runner.model.width
    logprobs, best = (scores - normalizers).double(), likeliest(logits[:, :width]).double()
    return logprobs.to(group.device), best.to(group.device)
