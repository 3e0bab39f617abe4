"""Packed passes: the new tokens of all rows in one line, without padding.

All layers but attention treat tokens one by one, so a line [1, tokens] costs what its tokens cost.
Attention is computed here, for one row or for adjacent rows with equally many tokens at a time, on
the cache of keys and values. transformers calls it through its registry of attention functions.
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

__all__ = ["NotPacked", "attend_line", "packed", "packed_attention"]

_NAME = "packed_rows"

_PLAN: ContextVar[Packing] = ContextVar("packing")  # not every layer hands arguments on


class NotPacked(Exception):  # no error: the model is read with padding then
    """Layers of a model do not call the attention function as a packed pass needs it."""


@contextmanager
def packed(config: PreTrainedConfig, plan: Packing) -> Iterator[None]:
    """Let the model's layers call `packed_attention` with this plan, inside the block."""
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
    """Attention of a line [1, head, token, dim] to the cache [row, head, position, dim].

    Returns [1, token, head, dim]. The signature is that of transformers' attention functions.
    """
    del module, attention_mask
    how = scaling, sliding_window, softcap
    return attend_line(_PLAN.get(), query, key, value, how)[None], None


def attend_line(
    plan: Packing,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    options: tuple[float | None, int | None, float | None],
) -> Tensor:
    """The same by a plan: attention [token, head, dim]; `options` are scale, window and softcap."""
    scaling, sliding_window, softcap = options
    line = query[0].transpose(0, 1)
    out: list[Tensor] = []
    for group in plan.on(query.device):
        picked = _pick(group, line)
        low = _low(group, sliding_window)
        cells = slice(low, group.reach)
        keys, values = key[group.rows, :, cells], value[group.rows, :, cells]
        mask = _mask(group, sliding_window, low, query)
        how = _Scores(scaling, softcap, _causal(group, mask))
        out.append(_line(group, _attend(picked, keys, values, mask, how)))
    return out[0] if len(out) == 1 else torch.cat(out)


@dataclass(frozen=True, slots=True)
class _Scores:
    """How attention scores are computed from queries and keys."""

    scaling: float | None
    softcap: float | None
    causal: bool


def _attend(
    query: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, how: _Scores
) -> Tensor:
    """Attention [row, head, width, dim]; several query heads may share one head of keys."""
    rows, heads, width, dim = query.shape
    shared = keys.shape[1]
    if how.softcap is not None:
        return _capped(query, keys, values, mask, how)
    if shared == heads:
        return attention(query, keys, values, mask, is_causal=how.causal, scale=how.scaling)
    if width == 1:  # heads that share keys are several queries of one head
        query = query.view(rows, shared, heads // shared, dim)
        output = attention(query, keys, values, mask, scale=how.scaling)
        return output.reshape(rows, heads, 1, output.shape[-1])
    return attention(
        query, keys, values, mask, is_causal=how.causal, scale=how.scaling, enable_gqa=True
    )


def _capped(
    query: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, how: _Scores
) -> Tensor:
    """Attention with scores limited to (-softcap, softcap) before the mask, as in Gemma 2."""
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
        queries = line[group.start : group.start + count * group.width]
    else:
        queries = line[group.index[0]]
    return queries.view(count, group.width, *line.shape[1:]).transpose(1, 2)


def _line(group: PassGroup, output: Tensor) -> Tensor:
    """Put the group's output [row, head, width, dim] back into a line [token, head, dim]."""
    flat = output.transpose(1, 2).reshape(-1, output.shape[1], output.shape[3])
    return flat if group.index is None else flat[group.index[1]]


def _low(group: PassGroup, window: int | None) -> int:
    """The first cell that any of the group's tokens attends to."""
    if not window or group.idle:
        return 0
    return max(0, min(group.lengths) + 1 - window)


def _causal(group: PassGroup, mask: Tensor | None) -> bool:
    """Whether each token of the group attends to all new tokens before it, and to no others."""
    return mask is None and group.width > 1


def _mask(group: PassGroup, window: int | None, low: int, like: Tensor) -> Tensor | None:
    """The attention mask [row, 1, width, cell], floats; None where none is needed. Made once."""
    if window not in group.masks:
        group.masks[window] = _new_mask(group, window, low, like)
    return group.masks[window]


def _new_mask(group: PassGroup, window: int | None, low: int, like: Tensor) -> Tensor | None:
    most = max(group.lengths)
    alike = min(group.lengths) == most and not group.idle
    if alike and (group.width == 1 or (most == 0 and not (window and group.width > window))):
        return None
    assert group.held is not None
    here = (group.held[:, None] + torch.arange(group.width, device=like.device))[:, None, :, None]
    cells = torch.arange(low, group.reach, device=like.device)
    visible = cells <= here
    if window:
        visible &= cells > here - window
    zero = torch.zeros((), dtype=like.dtype, device=like.device)
    return torch.where(visible, zero, torch.finfo(like.dtype).min)
