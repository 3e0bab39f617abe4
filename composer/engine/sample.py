"""Drawing one entry a row. A row's draw depends on its own numbers only, not on neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from composer.engine.distribution import Distributions
    from composer.values.requests import Sampling

__all__ = ["draw", "draw_column", "filtered", "likeliest", "sampling_probabilities"]


_BLOCK = 256  # columns; near the root of a usual vocabulary's size
COLDEST = 1e-4
"""Below this a temperature is greedy in all but name, and its quotients leave float32."""


def draw(
    said: Distributions, rows: Sequence[int], how: Sequence[Sampling], luck: Sequence[float]
) -> Tensor:
    """Draw an entry [row] for each of some rows; `luck` is uniform in [0, 1)."""
    chosen = likeliest(_of(said.scores, rows))  # columns, up to the end
    plain = [n for n, s in enumerate(how) if s.temperature > 0 and not _filters(s)]
    cut = [n for n, s in enumerate(how) if s.temperature > 0 and _filters(s)]
    if plain:
        logprobs = _tempered(said, [rows[n] for n in plain], [how[n] for n in plain])
        chosen[plain] = _pick(logprobs, luck, plain)
    if cut:
        some = [how[n] for n in cut]
        logprobs = _tempered(said, [rows[n] for n in cut], some)
        ranked, entries = logprobs.sort(dim=-1, descending=True, stable=True)
        place = _pick(filtered(ranked, some), luck, cut)
        chosen[cut] = entries.gather(-1, place[:, None])[:, 0]
    return said.entries_at(torch.tensor(list(rows), device=chosen.device), chosen)


def likeliest(scores: Tensor) -> Tensor:
    """The column [row] of the largest score, the first of equals.

    On a CPU, a maximum is found many times sooner than its place: the place is looked for in the
    block of columns that has it only.
    """
    width = scores.shape[-1]
    whole = width // _BLOCK * _BLOCK
    if scores.device.type != "cpu" or not whole:
        return scores.argmax(-1)
    most = scores[:, :whole].view(len(scores), -1, _BLOCK).amax(-1)
    if whole < width:
        most = torch.cat((most, scores[:, whole:].amax(-1, keepdim=True)), 1)
    start = most.argmax(-1, keepdim=True) * _BLOCK
    columns = (start + torch.arange(_BLOCK)).clamp_(max=width - 1)
    within: Tensor = scores.gather(1, columns).argmax(-1, keepdim=True)
    return (start + within)[:, 0]


def sampling_probabilities(
    said: Distributions, rows: Sequence[int], how: Sequence[Sampling]
) -> Tensor:
    """Probabilities [some rows, column], float64, that draws of a temperature above 0 go by."""
    logprobs = _tempered(said, rows, how)
    cut = [n for n, s in enumerate(how) if _filters(s)]
    if cut:
        ranked, columns = logprobs[cut].sort(dim=-1, descending=True, stable=True)
        kept = filtered(ranked, [how[n] for n in cut])
        logprobs[cut] = torch.empty_like(kept).scatter_(-1, columns, kept)
    return logprobs.double().softmax(-1)


def draw_column(weights: Tensor, luck: Sequence[float]) -> Tensor:
    """Draw a column [row] by weights [row, column] that need not add up to 1."""
    reached = weights.cumsum(-1)
    bound = _column(luck, weights) * reached[:, -1:]
    return (reached <= bound).sum(-1).clamp(max=weights.shape[-1] - 1)


def filtered(ranked: Tensor, how: Sequence[Sampling]) -> Tensor:
    """Rule out all but the nucleus; ranked log-probabilities [row, rank], likeliest first.

    top-k, then top-p (arXiv:1904.09751), then min-p (arXiv:2407.01082); rank 0 always stays.
    """
    p = ranked.double().exp()
    rank = torch.arange(ranked.shape[-1], device=ranked.device)
    top_k = _column([s.top_k or ranked.shape[-1] for s in how], ranked)
    keep = rank < top_k
    p = torch.where(keep, p, 0.0)
    p = p / p.sum(-1, keepdim=True)
    keep &= p.cumsum(-1) - p < _column([s.top_p for s in how], ranked)
    keep &= p >= _column([s.min_p for s in how], ranked) * p[:, :1]
    keep[:, 0] = True
    return ranked.masked_fill(~keep, -torch.inf)


def _filters(how: Sampling) -> bool:
    return how.top_k > 0 or how.top_p < 1 or how.min_p > 0


def _of(scores: Tensor, rows: Sequence[int]) -> Tensor:
    """Some rows of scores [row, entry]; all of them without a copy."""
    return scores if list(rows) == list(range(len(scores))) else scores[list(rows)]


def _tempered(said: Distributions, rows: Sequence[int], how: Sequence[Sampling]) -> Tensor:
    """Log-probabilities [row, entry] at each row's temperature."""
    logprobs = said.logprobs(rows)
    return (
        logprobs / _column([max(s.temperature, COLDEST) for s in how], logprobs).float()
    ).log_softmax(-1)


def _pick(logprobs: Tensor, luck: Sequence[float], rows: Sequence[int]) -> Tensor:
    """Where the cumulated probability [row, entry] passes the row's luck."""
    return draw_column(logprobs.double().exp(), [luck[n] for n in rows])


def _column(values: Sequence[float], like: Tensor) -> Tensor:
    return torch.tensor(values, dtype=torch.float64, device=like.device)[:, None]
