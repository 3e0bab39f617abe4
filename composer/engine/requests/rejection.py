"""Rejection sampling of drafted entries, so that what is kept is distributed as the fuse.

Speculative decoding, arXiv:2211.17192. `p` are the probabilities of the fuse, `q` those that the
entries were drawn by, both [position, entry]; each position has a uniform draw in [0, 1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.engine.sample import draw_column
from composer.heavy import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

__all__ = ["accepted", "replacements"]


def accepted(p: Tensor, q: Tensor, entries: Tensor, uniforms: Sequence[float]) -> Tensor:
    """Whether the drafted entry [position] of each position is accepted: `u < p / q`."""
    p_entry, q_entry = p.gather(1, entries[:, None])[:, 0], q.gather(1, entries[:, None])[:, 0]
    return torch.tensor(uniforms, dtype=p.dtype, device=p.device) * q_entry < p_entry


def replacements(p: Tensor, q: Tensor, uniforms: Sequence[float]) -> Tensor:
    """Draw an entry [position] from `max(p - q, 0)`; from `p` where rounding leaves nothing."""
    excess = (p - q).clamp(min=0.0)
    nonzero = excess.sum(-1, keepdim=True) > 0
    return draw_column(torch.where(nonzero, excess, p), uniforms)
