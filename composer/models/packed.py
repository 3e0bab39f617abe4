"""Ragged passes without padding: all new tokens of all rows in one flat line.

Everything but attention treats tokens one by one, so that a line [1, tokens] of many rows costs
what its tokens cost. Attention is done here, row by row or for neighbours that feed alike many
tokens at once, on the table of keys and values; transformers calls it through its registry of
attention functions.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from itertools import groupby
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.functional import scaled_dot_product_attention as attention

from composer.models.rows import GAP, neighbours

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from composer.models.rows import Feed

__all__ = ["Group", "Packing", "packed_attention", "packing"]

_NAME = "packed_rows"
_SHORT = 8  # tokens a row up to which neighbours share an attention call

_PLAN: ContextVar[Packing] = ContextVar("packing")  # not every layer hands arguments on


@dataclass(eq=False)
class Group:
    """Rows first..last of the table, of which some feed `width` tokens each, from `start` on.

    `picks` has for every row of the span where its tokens begin in the line, -1 if it is idle;
    `lengths` is what each row holds.
    """

    first: int
    width: int
    start: int
    picks: list[int]
    lengths: list[int]
    masks: dict[int | None, Tensor | None] = field(default_factory=dict)
    index: tuple[Tensor, Tensor] | None = None

    @property
    def rows(self) -> slice:
        """Its rows in the table."""
        return slice(self.first, self.first + len(self.picks))

    @property
    def reach(self) -> int:
        """How many cells its rows look at."""
        return max(self.lengths) + self.width

    @property
    def idle(self) -> bool:
        """Whether rows lie in between that feed nothing."""
        return -1 in self.picks


class Packing:
    """The order of some feeds' tokens in a line, and the groups whose attention is one call."""

    def __init__(self, feeds: Sequence[Feed], device: torch.device) -> None:
        self.device = device
        self.groups: list[Group] = []
        self.order: list[Feed] = []
        self.starts: dict[int, int] = {}
        self.total = 0
        ranked = sorted(feeds, key=lambda feed: (len(feed.ids), feed.row.index))
        for width, alike in groupby(ranked, key=lambda feed: len(feed.ids)):
            for batch in neighbours(list(alike), 0 if width > _SHORT else GAP):
                self._add(batch, width)

    def _add(self, batch: Sequence[Feed], width: int) -> None:
        first, last = batch[0].row.index, batch[-1].row.index
        group = Group(first, width, self.total, [-1] * (last - first + 1), [0] * (last - first + 1))
        for feed in batch:
            place = feed.row.index - first
            group.picks[place], group.lengths[place] = self.total, feed.row.length
            self.starts[id(feed)] = self.total
            self.total += width
        self.order += batch
        self.groups.append(group)

    def line(self) -> tuple[list[int], list[int], list[int]]:
        """Each token's id, position and row."""
        ids: list[int] = []
        positions: list[int] = []
        rows: list[int] = []
        for feed in self.order:
            ids += feed.ids
            positions += range(feed.row.length, feed.row.length + len(feed.ids))
            rows += [feed.row.index] * len(feed.ids)
        return ids, positions, rows

    def kept(self, feeds: Sequence[Feed]) -> list[int]:
        """Where in the line the tokens lie after which logits are wanted, in the feeds' order."""
        return [self.starts[id(feed)] + k for feed in feeds for k in feed.keep]


@contextmanager
def packing(config: Any, plan: Packing) -> Iterator[None]:  # noqa: ANN401  # of transformers
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
    from transformers import AttentionInterface

    AttentionInterface.register(_NAME, packed_attention)


def packed_attention(  # noqa: PLR0913  # idem
    module: Any,  # noqa: ANN401, ARG001  # transformers' signature
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None = None,  # noqa: ARG001
    *,
    scaling: float | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    **_: object,
) -> tuple[Tensor, None]:
    """Attention of a line [1, head, token, dim] to the whole table [row, head, position, dim].

    Returns [1, token, head, dim].
    """
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


def _pick(group: Group, line: Tensor) -> Tensor:
    """The group's queries [row, head, width, dim] of a line [token, head, dim]."""
    count = len(group.picks)
    if not group.idle:
        own = line[group.start : group.start + count * group.width]
    else:
        own = line[_index(group, line.device)[0]]
    return own.view(count, group.width, *line.shape[1:]).transpose(1, 2)


def _put_back(group: Group, found: Tensor) -> Tensor:
    """What the group's tokens found [token, head, dim], of [row, head, width, dim]."""
    flat = found.transpose(1, 2).reshape(-1, found.shape[1], found.shape[3])
    return flat[_index(group, found.device)[1]] if group.idle else flat


def _index(group: Group, device: torch.device) -> tuple[Tensor, Tensor]:
    """Where each row's queries lie in the line, and where those that count lie in the span."""
    if group.index is None:
        steps = range(group.width)
        picks = [max(at, group.start) + n for at in group.picks for n in steps]
        busy = [row for row, at in enumerate(group.picks) if at >= 0]
        back = [row * group.width + n for row in busy for n in steps]
        group.index = torch.tensor(picks, device=device), torch.tensor(back, device=device)
    return group.index


def _low(group: Group, window: int | None) -> int:
    """The first cell that any of the group's tokens looks at."""
    if not window or group.idle:
        return 0
    return max(0, min(group.lengths) + 1 - window)


def _causal(group: Group, mask: Tensor | None) -> bool:
    """Whether the group reads nothing but its own new tokens, each what lies before it."""
    return mask is None and group.width > 1


def _mask(group: Group, window: int | None, low: int, like: Tensor) -> Tensor | None:
    """What each token may look at, [row, 1, width, cell] floats; None where order says it all."""
    if window not in group.masks:
        group.masks[window] = _made(group, window, low, like)
    return group.masks[window]


def _made(group: Group, window: int | None, low: int, like: Tensor) -> Tensor | None:
    most = max(group.lengths)
    alike = min(group.lengths) == most and not group.idle
    if alike and (group.width == 1 or (most == 0 and not (window and group.width > window))):
        return None
    lengths = torch.tensor(group.lengths, device=like.device)
    here = (lengths[:, None] + torch.arange(group.width, device=like.device))[:, None, :, None]
    cells = torch.arange(low, group.reach, device=like.device)
    seen = cells <= here
    if window:
        seen &= cells > here - window
    shown = torch.zeros((), dtype=like.dtype, device=like.device)
    return torch.where(seen, shown, torch.finfo(like.dtype).min)
