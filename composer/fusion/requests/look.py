"""What models make of a text that they are given in tokens of their own."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from composer.fusion.fault import fault
from composer.fusion.requests.inquiry import Inquiry
from composer.fusion.requests.plain import END
from composer.fusion.sample import likeliest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from composer.fusion.beat import Beat
    from composer.fusion.cursor import Cursor, Track
    from composer.fusion.group import Group
    from composer.models.checkpoint import ModelError

    Heard = Sequence[tuple["Look", Mapping[int, Tensor]]]

__all__ = ["Look", "Looked", "Looks"]


@dataclass(frozen=True, slots=True)
class Looked:
    """For each token its log-probability under the model itself, and the likeliest token there."""

    logprobs: list[float]
    best: list[int]


Looks = dict[int, "Looked"]


class Look(Inquiry):
    """Ask some leaves for the log-probabilities of tokens of their own, which they are given.

    `END` as the last one stands for any of the model's end tokens, and is not given. The answer
    has what each leaf says, over its own vocabulary, whatever the group makes of it.
    """

    def __init__(
        self, cursor: Cursor, tokens: Mapping[int, Sequence[int]], beat: Beat | None = None
    ) -> None:
        self.cursor = cursor
        self.tokens = {leaf: list(given) for leaf, given in tokens.items() if given}
        self.beat = beat
        self.starts = {leaf: len(cursor.tracks[leaf].ids) for leaf in self.tokens}
        for leaf, given in self.tokens.items():
            cursor.tracks[leaf].ids.extend(given[:-1] if given[-1] == END else given)

    def reads(self, leaf: int) -> bool:
        """Only leaves that are given something read."""
        return leaf in self.tokens

    def marks(self, leaf: int, track: Track) -> tuple[list[int], int]:
        """Logits are wanted before every token."""
        del track
        start = self.starts[leaf]
        wanted = [start + n for n in range(len(self.tokens[leaf]))]
        return wanted, wanted[-1]

    @classmethod
    def answer(cls, group: Group, heard: Heard) -> dict[Look, Looks | ModelError]:
        """Answer all of them with one transfer to the host."""
        found: dict[Look, Looks | ModelError] = {look: {} for look, _ in heard}
        lines = [(look, leaf, own[leaf]) for look, own in heard for leaf in sorted(own)]
        parts = [part for line in lines for part in _seen(group, *line)]
        values = iter(torch.cat(parts).tolist() if parts else ())
        for look, leaf, _ in lines:
            count = range(len(look.tokens[leaf]))
            logprobs, best = [next(values) for _ in count], [int(next(values)) for _ in count]
            looks = found[look]
            if isinstance(looks, dict):
                looks[leaf] = Looked(logprobs, best)
                if math.isnan(sum(logprobs)):
                    own = dict(heard)[look]
                    said = [own.get(n) for n in range(len(group.leaves))]
                    found[look] = fault(look.cursor, said, slice(None))
        return found


def _seen(group: Group, look: Look, leaf: int, logits: Tensor) -> tuple[Tensor, Tensor]:
    """Log-probabilities [token] of what a leaf was given, and its likeliest tokens [token]."""
    given = torch.tensor(look.tokens[leaf], device=logits.device)
    whole = logits.logsumexp(-1)
    at = logits.gather(1, given.clamp(min=0)[:, None])[:, 0]
    if look.tokens[leaf][-1] == END:
        ends = sorted(e for e in group.leaves[leaf].runner.model.ends if e < logits.shape[1])
        at[-1] = logits[-1, ends].logsumexp(-1)
    parts = ((at - whole).double(), likeliest(logits).double())
    return parts[0].to(group.device), parts[1].to(group.device)
