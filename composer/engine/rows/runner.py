"""A runner: one model in memory with the cache of its rows."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import torch

from composer.engine.memory import ran_out
from composer.engine.rows.attention import BatchedAttention
from composer.engine.rows.decode_pass import DecodePass
from composer.engine.rows.encoder_decoder import EncoderDecoderRows
from composer.engine.rows.forward_arguments import keeps_state
from composer.engine.rows.hidden_states import logits_and_hidden
from composer.engine.rows.mixed import mixes, one_by_one
from composer.engine.rows.prefixes import PrefixCache
from composer.engine.rows.recurrent import RecurrentStates
from composer.engine.rows.remote import RemoteRunner
from composer.engine.rows.separate import SeparateCaches
from composer.engine.rows.trial import Trial, trials
from composer.engine.rows.weight_layout import lay_out
from composer.engine.weights.adapters import NONE
from composer.engine.weights.encoder_decoder import EncoderDecoderModel

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from composer.engine.rows.row import Feed, RowCache
    from composer.engine.rows.stacked import StackedMembers
    from composer.engine.weights.local import LocalModel
    from composer.specs.models import Checkpoint

__all__ = ["AnyRunner", "Runner"]

_LAYERS = {"full_attention", "sliding_attention"}


class Runner:
    """One model in memory, and the cache `rows` that its forward passes fill.

    `prefixes` keeps what rows held when they were closed, until the model is unloaded.
    `alone` says why rows do not share forward passes, `padded` why they share only padded ones;
    None if they do. `spare` gives up what is kept but not in use where memory runs out; in a pool
    it does so for all models of the device. Models that differ in an adapter alone have one runner;
    `mixed` is whether rows of unlike adapters share passes. `stack` has the models with which it
    steps as one batched model.
    """

    def __init__(self, model: LocalModel) -> None:
        self.model = model
        self.alone: str | None = None
        self.padded: str | None = None
        lay_out(model.module)
        self.rows: RowCache = self._choose()
        weights = sum(each.nbytes for each in model.module.parameters())
        self.prefixes = PrefixCache(self.rows, weights)
        self.spare: Callable[[], None] = self.prefixes.clear
        self.mixed = isinstance(self.rows, BatchedAttention)
        self.stack: StackedMembers | None = None
        self._adapters: dict[str, int] = {}

    @property
    def columns(self) -> int:
        """How many columns its logits have."""
        return self.model.width

    @property
    def idle(self) -> bool:
        """Whether no row is open."""
        return not self.rows.live

    def number(self, model: Checkpoint) -> int:
        """The number of a model's adapter, with which its rows are read; 0 if it has none."""
        adapter = model.weights.adapter
        return NONE if adapter is None else self._adapters[adapter.content_key]

    def has(self, model: Checkpoint) -> bool:
        """Whether a model's adapter is loaded, if it has one."""
        adapter = model.weights.adapter
        return adapter is None or adapter.content_key in self._adapters

    def adopt(self, model: Checkpoint, attach: Callable[[Checkpoint, LocalModel], int]) -> None:
        """Load a model's adapter beside those that are here."""
        adapter = model.weights.adapter
        assert adapter is not None
        number = self._adapters[adapter.content_key] = attach(model, self.model)
        self.mixed = self.mixed and mixes(self.model, self.rows, number)

    def forward(self, feeds: Sequence[Feed], *, hidden: bool = False) -> Tensor:
        """Run a forward pass over all feeds; return float logits [all kept, model.width].

        With `hidden`, the last hidden states follow the logits [all kept, model.width + size]. If
        it raises, no row holds more than before; a row that cannot be cropped holds less.
        """
        before = [(feed.row, feed.row.length) for feed in feeds]
        try:
            return self._step(feeds, hidden=hidden)
        except BaseException as error:
            self.prefixes.clear()  # of no use if the model is at fault
            if ran_out(error):
                self.spare()
            for row, length in before:
                self.rows.crop(row, length)
            raise

    def _step(self, feeds: Sequence[Feed], *, hidden: bool) -> Tensor:
        read = partial(self._pass, hidden=hidden)
        if self.mixed or not self._adapters:
            return read(feeds)
        return one_by_one(self.model.adapters, feeds, read)

    def _pass(self, feeds: Sequence[Feed], *, hidden: bool) -> Tensor:
        if hidden:
            logits, states = logits_and_hidden(self.model, self.rows, feeds)
            return torch.cat((logits[:, : self.model.width], states), 1).float()
        return self.rows.forward(feeds)[:, : self.model.width].float()

    def _choose(self) -> RowCache:
        """Choose the fastest cache with which the model gives right logits, else one a row."""
        if isinstance(self.model, EncoderDecoderModel):
            return EncoderDecoderRows(self.model)
        strange = set(getattr(self.model.config, "layer_types", None) or ()) - _LAYERS
        try:
            tried = trials(self.model)
        except Exception as error:  # noqa: BLE001  # whatever it is, nothing is proved
            self.alone = f"no test copy with narrow windows can be made ({type(error).__name__})"
            return SeparateCaches(self.model, [Trial(self.model)])
        if strange:
            self.alone = f"it has layers of an unknown kind ({', '.join(sorted(strange))})"
            return SeparateCaches(self.model, tried)
        if self.model.switch is not None:
            self.alone = (
                f"it uses other positions for texts of more than {self.model.switch} tokens"
            )
            return SeparateCaches(self.model, tried)
        for way in self._ways():
            self.alone = next((why for trial in tried if (why := trial.failure(way))), None)
            if self.alone is None:
                rows: RowCache = way(self.model)
                return rows
            if not way.keywords.get("direct"):  # by the model's own code it may still work
                self.padded = self.padded or self.alone
        self.padded = None
        return SeparateCaches(self.model, tried)

    def _ways(self) -> Sequence[partial[Any]]:
        """The kinds of caches whose rows share passes, the fastest first."""
        if keeps_state(self.model.module):
            return (partial(RecurrentStates),)
        plain = tuple(partial(BatchedAttention, packs=packs) for packs in (True, False))
        if DecodePass.of(self.model.module) is None:
            return plain
        return (partial(BatchedAttention, packs=True, direct=True), *plain)


AnyRunner: TypeAlias = Runner | RemoteRunner
"""A model in this process or behind a server, with its open rows."""
