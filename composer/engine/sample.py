"""Drawing one entry a row: temperature, top-k, top-p and min-p, or the likeliest entry.

A row's draw depends only on that row, not on the other rows of the batch. `draw` is told on the
host how each row is drawn; `draw_all` reads it on the device and waits for nothing.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple, Self

from composer.heavy import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from composer.engine.distribution import Distributions
    from composer.values.requests import Sampling

__all__ = [
    "Columns",
    "Kinds",
    "draw",
    "draw_all",
    "draw_column",
    "filtered",
    "greedy",
    "likeliest",
    "sampling_probabilities",
]


_BLOCK = 256  # columns; near the root of a usual vocabulary's size
MIN_TEMPERATURE = 1e-4
"""Lower temperatures are raised to this: they draw the same entries, and float32 can hold it."""


class Columns(NamedTuple):
    """Sampling options as columns [row, 1] of float64: a `top_k` of infinity keeps everything."""

    temperature: Tensor
    top_k: Tensor
    top_p: Tensor
    min_p: Tensor

    @classmethod
    def of(cls, sampling: Sequence[Sampling], device: torch.device) -> Self:
        """Copy the options of some rows to a device."""
        table = [cls.numbers(each) for each in sampling]
        columns = torch.tensor(table, dtype=torch.float64, device=device).view(-1, 4)
        return cls(*(columns[:, n : n + 1] for n in range(4)))

    @staticmethod
    def numbers(sampling: Sampling) -> tuple[float, float, float, float]:
        """One row's options, in the order of the columns."""
        return sampling.temperature, sampling.top_k or math.inf, sampling.top_p, sampling.min_p

    @property
    def filters(self) -> Tensor:
        """Whether a row [row, 1] has a filter."""
        return (self.top_k < torch.inf) | (self.top_p < 1) | (self.min_p > 0)


class Kinds(NamedTuple):
    """The kinds of drawing among some rows: the likeliest entry, by all of them, by some."""

    greedy: bool
    unfiltered: bool
    filtered: bool

    @classmethod
    def of(cls, sampling: Sequence[Sampling]) -> Self:
        """Return the kinds of some rows."""
        drawn = [_filters(each) for each in sampling if each.temperature > 0]
        return cls(len(drawn) < len(sampling), not all(drawn), any(drawn))


def draw_all(
    distributions: Distributions, columns: Columns, uniforms: Tensor, kinds: Kinds
) -> Tensor:
    """Draw an entry in every row [row], by work that depends on shapes and `kinds` alone.

    `uniforms` [row, 1] are in [0, 1). Each row is drawn as `draw` would; distributions with
    `remake` are not for this function.
    """
    chosen = likeliest(distributions.scores) if kinds.greedy else None
    if kinds.unfiltered or kinds.filtered:
        logprobs = distributions.log_scores() - distributions.log_normalizer[:, None]
        logprobs = _at_temperature(logprobs, columns)
    if kinds.unfiltered:
        some = _pick(logprobs.double().exp(), uniforms)
        chosen = some if chosen is None else some.where(columns.temperature[:, 0] > 0, chosen)
    if kinds.filtered:
        ranked, order = logprobs.sort(dim=-1, descending=True, stable=True)
        ranks = _pick(_filtered(ranked, columns).double().exp(), uniforms)
        some = order.gather(-1, ranks[:, None])[:, 0]
        here = (columns.filters & (columns.temperature > 0))[:, 0]
        chosen = some if chosen is None else some.where(here, chosen)
    assert chosen is not None
    return distributions.entries_at(torch.arange(len(chosen), device=chosen.device), chosen)


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
    return _pick(weights, _column(uniforms, weights))


def _pick(weights: Tensor, uniforms: Tensor) -> Tensor:
    """Draw a column [row] by weights [row, column] and uniform draws [row, 1]."""
    cumulated = weights.cumsum(-1)
    bound = uniforms * cumulated[:, -1:]
    return (cumulated <= bound).sum(-1).clamp(max=weights.shape[-1] - 1)


def filtered(ranked: Tensor, sampling: Sequence[Sampling]) -> Tensor:
    """Apply top-k, top-p (arXiv:1904.09751) and min-p (arXiv:2407.01082), in this order.

    `ranked` are log-probabilities [row, rank], likeliest first; those that are filtered out become
    minus infinity. Rank 0 always stays.
    """
    return _filtered(ranked, Columns.of(sampling, ranked.device))


def _filtered(ranked: Tensor, columns: Columns) -> Tensor:
    p = ranked.double().exp()
    rank = torch.arange(ranked.shape[-1], device=ranked.device)
    keep = rank < columns.top_k
    p = torch.where(keep, p, 0.0)
    p = p / p.sum(-1, keepdim=True)
    keep &= p.cumsum(-1) - p < columns.top_p
    keep &= p >= columns.min_p * p[:, :1]
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
    return _at_temperature(logprobs, Columns.of(sampling, logprobs.device))


def _at_temperature(logprobs: Tensor, columns: Columns) -> Tensor:
    return (logprobs / columns.temperature.clamp(min=MIN_TEMPERATURE).float()).log_softmax(-1)


def _draw(logprobs: Tensor, uniforms: Sequence[float], rows: Sequence[int]) -> Tensor:
    """Draw a column [row] by log-probabilities [row, column]; `rows` are those of `uniforms`."""
    return draw_column(logprobs.double().exp(), [uniforms[n] for n in rows])


def _column(values: Sequence[float], like: Tensor) -> Tensor:
    return torch.tensor(values, dtype=torch.float64, device=like.device)[:, None]
