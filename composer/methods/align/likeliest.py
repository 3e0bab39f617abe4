"""The likeliest entries of rows, found without ranking the whole vocabulary."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.heavy import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Top", "distinct"]

_CHUNK = 64


class Top:
    """Finds the `count` likeliest of those entries that count, exactly.

    The vocabulary is cut into chunks. An entry among the likeliest lies in one of the `count`
    chunks with the largest maxima, and in one more for each chunk that holds entries which do not
    count.
    """

    def __init__(self, counts: Tensor, count: int) -> None:
        self._out = ~counts
        self._count = min(count, len(counts))
        whole = len(counts) // _CHUNK
        dirty = int(self._out[: whole * _CHUNK].view(whole, _CHUNK).any(1).sum())
        self._chunks = self._count + dirty
        self._whole = whole if self._chunks < whole else 0
        self._within = torch.arange(_CHUNK, device=counts.device)
        self._rest = torch.arange(self._whole * _CHUNK, len(counts), device=counts.device)

    def __call__(self, scores: Tensor) -> Tensor:
        """Entries [row, count], likeliest first, by scores or probabilities [row, entry].

        Where fewer count, some that do not fill up.
        """
        candidates = self._near(scores)
        near = scores.gather(1, candidates).masked_fill_(self._out[candidates], -torch.inf)
        return candidates.gather(1, near.topk(self._count, -1).indices)

    def _near(self, scores: Tensor) -> Tensor:
        """Entries [row, some] among which the likeliest are."""
        rest = self._rest.expand(len(scores), -1)
        if not self._whole:
            return rest
        body = scores[:, : self._whole * _CHUNK].view(-1, self._whole, _CHUNK)
        chunks = body.amax(-1).topk(self._chunks, -1, sorted=False).indices
        return torch.cat([(chunks[:, :, None] * _CHUNK + self._within).flatten(1), rest], 1)


def distinct(entries: Tensor, beyond: int) -> Tensor:
    """Entries [row, column] in ascending order; -1 for what is there already, or is `beyond`."""
    ranked = entries.sort(-1).values
    again = torch.zeros_like(ranked, dtype=torch.bool)
    again[:, 1:] = ranked[:, 1:] == ranked[:, :-1]
    return ranked.masked_fill_(again | (ranked >= beyond), -1)
