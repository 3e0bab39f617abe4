"""Drawing one entry a row: temperature, top-k, top-p and min-p, or the likeliest entry.

A row's draw depends only on that row, not on the other rows of the batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.heavy import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from composer.engine.distribution import Distributions
    from composer.values.requests import Sampling

__all__ = ["draw", "draw_column", "filtered", "greedy", "likeliest", "sampling_probabilities"]


_BLOCK = 256  # columns; near the root of a usual vocabulary's size
MIN_TEMPERATURE = 1e-4
"""Lower temperatures are raised to this: they draw the same entries, and float32 can hold it."""


def draw(
    distributions: Distributions,
    rows: Sequence[int],
    sampling: Sequence[Sampling],
    uniforms: Sequence[float],
) -> Tensor:
    """Draw one entry for each of `rows` [n]; each has its sampling options and a uniform draw.

    `uniforms` are in [0, 1); a temperature of 0 takes the likeliest entry. Returns entries [n].
    """
    if distributions.remake is not None:
        return draw_column(sampling_probabilities(distributions, rows, sampling), uniforms)
    columns = likeliest(_select(distributions.scores, rows))
    unfiltered = [n for n, s in enumerate(sampling) if s.temperature > 0 and not _filters(s)]
    filtering = [n for n, s in enumerate(sampling) if s.temperature > 0 and _filters(s)]
    if unfiltered:
        logprobs = _tempered(
            distributions, [rows[n] for n in unfiltered], [sampling[n] for n in unfiltered]
        )
        columns[unfiltered] = _draw(logprobs, uniforms, unfiltered)
    if filtering:
        filters = [sampling[n] for n in filtering]
        logprobs = _tempered(distributions, [rows[n] for n in filtering], filters)
        ranked, ranked_columns = logprobs.sort(dim=-1, descending=True, stable=True)
        ranks = _draw(filtered(ranked, filters), uniforms, filtering)
        columns[filtering] = ranked_columns.gather(-1, ranks[:, None])[:, 0]
    return distributions.entries_at(torch.tensor(list(rows), device=columns.device), columns)


def likeliest(scores: Tensor) -> Tensor:
    """Return the column [row] of the highest score; of equal scores, the first.

    On a CPU, `amax` is many times faster than `argmax`: so the highest block of columns is
    searched for first, then the column within it.
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


def greedy(distributions: Distributions) -> Tensor:
    """Return the column [row] that is taken in each row at a temperature of 0."""
    if distributions.remake is None:
        return likeliest(distributions.scores)
    rows = range(len(distributions.scores))
    return distributions.remake(lambda member: _certain(member.scores), rows).argmax(-1)


def _certain(scores: Tensor) -> Tensor:
    """Probabilities [row, column] that are 1 at the likeliest entry and 0 elsewhere."""
    return torch.zeros_like(scores).scatter_(1, likeliest(scores)[:, None], 1.0)


def sampling_probabilities(
    distributions: Distributions, rows: Sequence[int], sampling: Sequence[Sampling]
) -> Tensor:
    """Probabilities [n, column], float64, by which `draw` samples some rows.

    At a temperature of 0 the likeliest entry has all of the probability.
    """
    if distributions.remake is not None:

        def process(member: Distributions) -> Tensor:
            return sampling_probabilities(member, rows, sampling)

        return distributions.remake(process, rows)
    logprobs = _tempered(distributions, rows, sampling)
    filtering = [n for n, s in enumerate(sampling) if _filters(s)]
    if filtering:
        ranked, columns = logprobs[filtering].sort(dim=-1, descending=True, stable=True)
        kept = filtered(ranked, [sampling[n] for n in filtering])
        logprobs[filtering] = torch.empty_like(kept).scatter_(-1, columns, kept)
    probabilities = logprobs.double().softmax(-1)
    certain = [n for n, s in enumerate(sampling) if not s.temperature]
    if certain:
        scores = distributions.scores[[rows[n] for n in certain]]
        probabilities[certain] = _certain(scores).double()
    return probabilities


def draw_column(weights: Tensor, uniforms: Sequence[float]) -> Tensor:
    """Draw a column [row] by weights [row, column] that need not add up to 1."""
    cumulated = weights.cumsum(-1)
    bound = _column(uniforms, weights) * cumulated[:, -1:]
    return (cumulated <= bound).sum(-1).clamp(max=weights.shape[-1] - 1)


def filtered(ranked: Tensor, sampling: Sequence[Sampling]) -> Tensor:
    """Apply top-k, top-p (arXiv:1904.09751) and min-p (arXiv:2407.01082), in this order.

    `ranked` are log-probabilities [row, rank], likeliest first; those that are filtered out become
    minus infinity. Rank 0 always stays.
    """
    p = ranked.double().exp()
    rank = torch.arange(ranked.shape[-1], device=ranked.device)
    top_k = _column([s.top_k or ranked.shape[-1] for s in sampling], ranked)
    keep = rank < top_k
    p = torch.where(keep, p, 0.0)
    p = p / p.sum(-1, keepdim=True)
    keep &= p.cumsum(-1) - p < _column([s.top_p for s in sampling], ranked)
    keep &= p >= _column([s.min_p for s in sampling], ranked) * p[:, :1]
    keep[:, 0] = True
    return ranked.masked_fill(~keep, -torch.inf)


def _filters(sampling: Sampling) -> bool:
    return sampling.top_k > 0 or sampling.top_p < 1 or sampling.min_p > 0


def _select(scores: Tensor, rows: Sequence[int]) -> Tensor:
    """Some rows of scores [row, column]; all of them without a copy."""
    return scores if list(rows) == list(range(len(scores))) else scores[list(rows)]


def _tempered(
    distributions: Distributions, rows: Sequence[int], sampling: Sequence[Sampling]
) -> Tensor:
    """Log-probabilities [n, column] of some rows at each row's temperature."""
    logprobs = distributions.logprobs(rows)
    return (
        logprobs
        / _column([max(s.temperature, MIN_TEMPERATURE) for s in sampling], logprobs).float()
    ).log_softmax(-1)


def _draw(logprobs: Tensor, uniforms: Sequence[float], rows: Sequence[int]) -> Tensor:
    """Draw a column [row] by log-probabilities [row, column]; `rows` are those of `uniforms`."""
    return draw_column(logprobs.double().exp(), [uniforms[n] for n in rows])


def _column(values: Sequence[float], like: Tensor) -> Tensor:
    return torch.tensor(values, dtype=torch.float64, device=like.device)[:, None]
