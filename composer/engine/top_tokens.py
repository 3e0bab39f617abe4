"""The likeliest tokens of many places, and what is left of the probability: a distribution, cut."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Self

from composer.heavy import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

__all__ = ["END", "NONE", "TopTokens", "sum_top"]

END = -1
"""In the place of a token: the end of the text, by any token that ends it."""

NONE = -2
"""In the place of a token: nothing; its probability is 0."""


@dataclass(frozen=True, eq=False, slots=True)
class TopTokens:
    """Distributions over tokens [place], of each the likeliest tokens.

    `ids` and `probabilities` are [place, token], `rest` [place] is the probability of all other
    tokens. `nats` [place] is the negative log-probability of the token that stood there.
    """

    ids: Tensor
    probabilities: Tensor
    rest: Tensor
    nats: Tensor

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        """Put places of several behind one another; all have as many tokens."""
        return cls(*(torch.cat([getattr(p, f.name) for p in parts]) for f in fields(cls)))

    def at(self, places: Tensor | slice) -> TopTokens:
        """Return some of the places."""
        return TopTokens(*(getattr(self, each.name)[places] for each in fields(self)))

    def to(self, device: torch.device) -> TopTokens:
        """Return the same on a device."""
        return TopTokens(*(getattr(self, each.name).to(device) for each in fields(self)))

    def __len__(self) -> int:
        return len(self.rest)


def sum_top(ids: Tensor, probabilities: Tensor, top: int) -> tuple[Tensor, Tensor]:
    """Sum the columns of a row that are of one token; keep the `top` likeliest tokens [row, top].

    Rows with fewer tokens are filled up with NONE.
    """
    order = ids.argsort(dim=-1, stable=True)
    ids, probabilities = ids.gather(-1, order), probabilities.gather(-1, order)
    new = torch.ones_like(ids, dtype=torch.bool)
    new[:, 1:] = ids[:, 1:] != ids[:, :-1]
    column = new.long().cumsum(-1) - 1
    total = torch.zeros_like(probabilities).scatter_add_(-1, column, probabilities)
    names = torch.full_like(ids, NONE).scatter_(-1, column, ids)
    total = total.masked_fill(names == NONE, 0.0)
    likeliest = total.topk(min(top, total.shape[-1]), -1)
    kept = names.gather(-1, likeliest.indices).masked_fill(likeliest.values <= 0, NONE)
    filled = max(top - kept.shape[-1], 0)
    pad = torch.nn.functional.pad
    return pad(kept, (0, filled), value=NONE), pad(likeliest.values, (0, filled))
