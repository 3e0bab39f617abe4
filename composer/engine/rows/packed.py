"""Ragged passes without padding: all new tokens of all rows in one flat line.

Everything but attention treats tokens one by one, so that a line [1, tokens] of many rows costs
what its tokens cost. Attention is done here, row by row or for neighbours that feed alike many
tokens at once, on the table of keys and values; transformers calls it through its registry of
attention functions.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import torch
from torch.nn.functional import scaled_dot_product_attention as attention

from composer.heavy import transformers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor
    from transformers import PreTrainedConfig

    from composer.engine.rows.packing import Packing, PassGroup

__all__ = ["NotPacked", "packed", "packed_attention"]

_NAME = "packed_rows"

_PLAN: ContextVar[Packing] = ContextVar("packing")  # not every layer hands arguments on


class NotPacked(Exception):  # it says what is so, and nobody did wrong
    """Layers of a model do not attend as a packed pass needs them to."""


@contextmanager
def packed(config: PreTrainedConfig, plan: Packing) -> Iterator[None]:
    """Let the model's layers call `packed_attention` with this plan for the time being."""
    _register()
    token = _PLAN.set(plan)
    before = config._attn_implementation_internal  # noqa: SLF001  # the setter walks sub-configs
    config._attn_implementation_internal = _NAME  # noqa: SLF001
    try:
        yield
    finally:
        config._attn_implementation_internal = before  # noqa: SLF001
        _PLAN.reset(token)


@cache
def _register() -> None:
    transformers.AttentionInterface.register(_NAME, packed_attention)


def packed_attention(  # noqa: PLR0913  # transformers' signature
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None = None,
    *,
    scaling: float | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    **_: object,
) -> tuple[Tensor, None]:
    """Attention of a line [1, head, token, dim] to the whole table [row, head, position, dim].

    Returns [1, token, head, dim].
    """
    del module, attention_mask
    line = query[0].transpose(0, 1)
    out: list[Tensor] = []
    for group in _PLAN.get().groups:
        picked = _pick(group, line)
        low = _low(group, sliding_window)
        cells = slice(low, group.reach)
        keys, values = key[group.rows, :, cells], value[group.rows, :, cells]
        mask = _mask(group, sliding_window, low, query)
        found = _attend(picked, keys, values, mask, _Scores(scaling, softcap, _causal(group, mask)))
        out.append(_put_back(group, found))
    whole = out[0] if len(out) == 1 else torch.cat(out)
    return whole[None], None


@dataclass(frozen=True, slots=True)
class _Scores:
    """How scores are made of queries and keys."""

    scaling: float | None
    softcap: float | None
    causal: bool


def _attend(
    query: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, how: _Scores
) -> Tensor:
    """Attention [row, head, width, dim], heads of queries grouped over heads of keys."""
    rows, heads, width, dim = query.shape
    shared = keys.shape[1]
    if how.softcap is not None:
        return _capped(query, keys, values, mask, how)
    if shared == heads:
        return attention(query, keys, values, mask, is_causal=how.causal, scale=how.scaling)
    if width == 1:  # heads that share keys are several queries of one head
        query = query.view(rows, shared, heads // shared, dim)
        found = attention(query, keys, values, mask, scale=how.scaling)
        return found.reshape(rows, heads, 1, found.shape[-1])
    return attention(
        query, keys, values, mask, is_causal=how.causal, scale=how.scaling, enable_gqa=True
    )


def _capped(
    query: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, how: _Scores
) -> Tensor:
    """Scores squeezed into (-softcap, softcap) before the mask, as in Gemma 2."""
    assert how.softcap is not None
    groups = query.shape[1] // keys.shape[1]
    keys, values = (table.repeat_interleave(groups, 1) for table in (keys, values))
    scale = query.shape[-1] ** -0.5 if how.scaling is None else how.scaling
    scores = (query @ keys.mT * scale / how.softcap).tanh() * how.softcap
    if how.causal:
        ahead = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).triu(1)
        scores = scores.masked_fill(ahead, -torch.inf)
    if mask is not None:
        scores = scores + mask
    return scores.softmax(-1, dtype=torch.float32).to(query.dtype) @ values


def _pick(group: PassGroup, line: Tensor) -> Tensor:
    """The group's queries [row, head, width, dim] of a line [token, head, dim]."""
    count = len(group.picks)
    if group.index is None:
        own = line[group.start : group.start + count * group.width]
    else:
        own = line[group.index[0]]
    return own.view(count, group.width, *line.shape[1:]).transpose(1, 2)


def _put_back(group: PassGroup, found: Tensor) -> Tensor:
    """What the group's tokens found [token, head, dim], of [row, head, width, dim]."""
    flat = found.transpose(1, 2).reshape(-1, found.shape[1], found.shape[3])
    return flat if group.index is None else flat[group.index[1]]


def _low(group: PassGroup, window: int | None) -> int:
    """The first cell that any of the group's tokens looks at."""
    if not window or group.idle:
        return 0
    return max(0, min(group.lengths) + 1 - window)


def _causal(group: PassGroup, mask: Tensor | None) -> bool:
    """Whether the group reads nothing but its own new tokens, each what lies before it."""
    return mask is None and group.width > 1


def _mask(group: PassGroup, window: int | None, low: int, like: Tensor) -> Tensor | None:
    """What each token may look at, [row, 1, width, cell] floats; None where order says it all."""
    if window not in group.masks:
        group.masks[window] = _made(group, window, low, like)
    return group.masks[window]


def _made(group: PassGroup, window: int | None, low: int, like: Tensor) -> Tensor | None:
    most = max(group.lengths)
    alike = min(group.lengths) == most and not group.idle
    if alike and (group.width == 1 or (most == 0 and not (window and group.width > window))):
        return None
    assert group.held is not None
    here = (group.held[:, None] + torch.arange(group.width, device=like.device))[:, None, :, None]
    cells = torch.arange(low, group.reach, device=like.device)
    seen = cells <= here
    if window:
        seen &= cells > here - window
    shown = torch.zeros((), dtype=like.dtype, device=like.device)
    return torch.where(seen, shown, torch.finfo(like.dtype).min)
