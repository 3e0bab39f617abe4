"""Passes of several models that step as one batched model.

Each member has a line [token] of its own new tokens, padded to the longest, and its own cache: its
rows are written, cropped and read alone as ever. All layers but attention compute the lines of all
members at once (`composer/engine/rows/stacked_module.py`); attention is that of packed passes,
one member after the other.
"""

from __future__ import annotations

from contextvars import ContextVar
from functools import cache
from typing import TYPE_CHECKING, Protocol

import torch

from composer.engine.memory import ran_out
from composer.engine.rows.attention import BatchedAttention
from composer.engine.rows.forward_arguments import cache_name
from composer.engine.rows.kv_cache import WHOLE
from composer.engine.rows.packed import attend_line
from composer.engine.rows.packing import Packing
from composer.engine.rows.row import Feed
from composer.engine.rows.small_copy import plain_text
from composer.engine.rows.stacked_module import NotStacked, stacked_module
from composer.engine.rows.trial import near
from composer.heavy import transformers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor
    from transformers import PreTrainedModel

    from composer.engine.rows.row import CacheRow, RowCache
    from composer.engine.weights.local import LocalModel

__all__ = ["StackedMembers"]

_NAME = "stacked_members"

_PADDED = 4 / 3
"""Tokens of a pass with padding for each real one, up to which members are read together."""

_CAPTURED = "on a GPU their steps are captured, and a graph needs its weights to stay in place"

_LENGTHS = 9, 6, 7
"""Tokens of the texts of the trial, by member in turn."""


class StackMember(Protocol):
    """A model in memory, with its rows; `alone` and `padded` say why they share no packed pass."""

    model: LocalModel
    rows: RowCache
    alone: str | None
    padded: str | None


class StackedMembers:
    """Models of one shape on one device, whose rows are read in one pass.

    A pass has at most `most` tokens of each member. `apart` says why the members are read one by
    one after all; None if they are not. Weights are stacked when it is made, and tried.
    """

    def __init__(self, runners: Sequence[StackMember], most: int) -> None:
        self.runners = tuple(runners)
        self.most = most
        self.apart: str | None = None
        try:
            self._module = self._made()
        except NotStacked as reason:
            self.apart = str(reason)
        except Exception as error:  # noqa: BLE001  # whatever it is, members are read apart
            self.apart = f"its weights cannot be stacked ({type(error).__name__})"
        else:
            self.apart = self._failure()

    def takes(self, feeds: Sequence[Sequence[Feed]]) -> bool:
        """Whether the members' feeds are read in one pass: few tokens, as many of each member."""
        if self.apart is not None or any(len(each.model.adapters) for each in self.runners):
            return False
        counts = [sum(len(feed.ids) for feed in each) for each in feeds]
        width = max(counts)
        even = width * len(counts) <= _PADDED * sum(counts)
        return width <= self.most and even and all(f.row.length for each in feeds for f in each)

    def forward(self, feeds: Sequence[Sequence[Feed]]) -> list[Tensor]:
        """Read the feeds of each member; return float logits [all kept, width] of each.

        If it raises, all rows have their length of before.
        """
        plans = [Packing(each) for each in feeds]
        logits = self._call(plans, *self._inputs(plans))
        for each in feeds:
            for feed in each:
                feed.row.length += len(feed.ids)
        return [self._kept(*each) for each in zip(self.runners, plans, feeds, logits, strict=True)]

    def give_up(self, error: Exception) -> None:
        """Read members apart from now on, as a pass has failed; a lack of memory may pass."""
        if not ran_out(error):
            self.apart = f"a pass of stacked members failed ({type(error).__name__})"

    def _made(self) -> PreTrainedModel:
        for runner in self.runners:
            if runner.model.device.type != "cpu":
                raise NotStacked(_CAPTURED)
        tables = [_shared_rows(runner) for runner in self.runners]
        try:
            module = stacked_module([runner.model.module for runner in self.runners])
        finally:
            for rows in tables:
                rows.take_weights()  # else those of before would stay in memory, too
        _register()
        config = module.config.get_text_config()
        config._attn_implementation_internal = _NAME  # noqa: SLF001  # the setter walks sub-configs
        name = cache_name(self.runners[0].model.module)
        assert name is not None
        self._name = name
        return module

    def _inputs(self, plans: Sequence[Packing]) -> tuple[Tensor, Tensor]:
        """Aim the caches; return ids and positions [member, token], padded with zeros."""
        width = max(plan.total for plan in plans)
        ids, positions = [], []
        for runner, plan in zip(self.runners, plans, strict=True):
            assert isinstance(runner.rows, BatchedAttention)
            numbers = runner.rows.upload(plan.values())
            own_ids, own_positions, rows = plan.bind(numbers)
            reach = max(group.reach for group in plan.groups)
            runner.rows.aim(rows[None], own_positions[None], reach, WHOLE)
            ids.append(own_ids)
            positions.append(own_positions)
        return _lines(ids, width), _lines(positions, width)

    def _call(self, plans: Sequence[Packing], ids: Tensor, positions: Tensor) -> Tensor:
        """Logits [member, token, vocabulary] of all tokens."""
        token = _PLANS.set(plans)
        try:
            out = self._module(
                input_ids=ids,
                position_ids=positions,
                attention_mask=None,
                use_cache=True,
                **{self._name: _Caches(self.runners, plans)},
            )
        finally:
            _PLANS.reset(token)
        logits: Tensor = out.logits
        return logits

    def _kept(
        self, runner: StackMember, plan: Packing, feeds: Sequence[Feed], logits: Tensor
    ) -> Tensor:
        kept = plan.kept(feeds)
        some = logits[: plan.total]
        if kept != list(range(plan.total)):
            assert isinstance(runner.rows, BatchedAttention)
            some = logits[runner.rows.upload(kept)]
        return some[:, : runner.model.width].float()

    @torch.inference_mode()
    def _failure(self) -> str | None:
        """Why logits of stacked members are not those of each alone; None if they are."""
        lengths = [_LENGTHS[n % len(_LENGTHS)] for n in range(len(self.runners))]
        texts = [plain_text(each.model, n) for each, n in zip(self.runners, lengths, strict=True)]
        opened = [runner.rows.allocate() for runner in self.runners]
        try:
            return self._tried(texts, opened)
        except Exception as error:  # noqa: BLE001  # whatever it is, members are read apart
            return f"its forward pass fails on stacked members ({type(error).__name__})"
        finally:
            for runner, row in zip(self.runners, opened, strict=True):
                runner.rows.free(row)

    def _tried(self, texts: Sequence[Sequence[int]], opened: Sequence[CacheRow]) -> str | None:
        pairs = list(zip(self.runners, opened, texts, strict=True))
        for runner, row, text in pairs:
            runner.rows.forward([Feed(row, text[:-2], ())])
        for at in (-2, -1):
            together = self.forward([[Feed(row, [text[at]], (0,))] for _, row, text in pairs])
            for (runner, _, text), logits in zip(pairs, together, strict=True):
                ids = torch.tensor([list(text)], device=runner.model.device)
                alone = runner.model.module(ids, use_cache=False).logits[0, at, : logits.shape[1]]
                if not near(runner.model, logits[0], alone):
                    return "stacked members have other logits than each alone"
        return None


def _shared_rows(runner: StackMember) -> BatchedAttention:
    """The rows of a member; raises NotStacked if they share no packed passes."""
    rows = runner.rows
    if not isinstance(rows, BatchedAttention) or not rows.packs:
        raise NotStacked(runner.alone or runner.padded or "its rows do not share passes")
    return rows


class _Caches:
    """The caches of the members as one cache of the batched model: lists instead of tensors."""

    is_compileable = False

    def __init__(self, runners: Sequence[StackMember], plans: Sequence[Packing]) -> None:
        self._rows = [runner.rows for runner in runners]
        self._plans = plans

    def update(
        self, key: Tensor, value: Tensor, layer: int, *_: object, **__: object
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Write keys and values [member, head, token, dim], without the padding; return all."""
        tables = []
        for n, (rows, plan) in enumerate(zip(self._rows, self._plans, strict=True)):
            assert isinstance(rows, BatchedAttention)
            own = slice(n, n + 1), slice(None), slice(plan.total)
            tables.append(rows.update(key[own], value[own], layer))
        return [keys for keys, _ in tables], [values for _, values in tables]

    def get_seq_length(self, layer: int = 0) -> int:
        """None: positions are given, so nothing depends on how many cells lie before."""
        del layer
        return 0


_PLANS: ContextVar[Sequence[Packing]] = ContextVar("plans of members")


@cache
def _register() -> None:
    transformers.AttentionInterface.register(_NAME, _attention)


def _attention(  # noqa: PLR0913  # transformers' signature
    module: torch.nn.Module,
    query: Tensor,
    key: Sequence[Tensor],
    value: Sequence[Tensor],
    attention_mask: Tensor | None = None,
    *,
    scaling: float | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    **_: object,
) -> tuple[Tensor, None]:
    """Attention of lines [member, head, token, dim] to each member's cache; zeros at padding.

    Returns [member, token, head, dim].
    """
    del module, attention_mask
    how, width, lines = (scaling, sliding_window, softcap), query.shape[2], []
    for n, plan in enumerate(_PLANS.get()):
        lines.append(attend_line(plan, query[n : n + 1], key[n], value[n], how))
    return _lines(lines, width), None


def _lines(parts: Sequence[Tensor], width: int) -> Tensor:
    """Lines [token, ...] of unlike lengths as one tensor [line, width, ...], padded with zeros."""
    if all(len(part) == width for part in parts):
        return torch.stack(list(parts))
    whole = parts[0].new_zeros(len(parts), width, *parts[0].shape[1:])
    for line, part in zip(whole, parts, strict=True):
        line[: len(part)] = part
    return whole
