"""Rows of an encoder-decoder model: what its encoder made of the prompt, and the decoder's cache.

The encoder runs once for each prompt. Rows whose answers have one length share a pass of the
decoder; unlike prompts are padded.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import torch

from composer.engine.rows.forward_arguments import cache_name
from composer.engine.rows.row import OpenRows, Saved
from composer.engine.weights.encoder_decoder import START
from composer.heavy import transformers
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torch import Tensor

    from composer.engine.rows.row import CacheRow, Feed
    from composer.engine.weights.encoder_decoder import EncoderDecoderModel

__all__ = ["EncoderDecoderRows"]

Layers: TypeAlias = "tuple[tuple[Tensor, Tensor], ...]"
"""For each layer keys and values [1, head, position, size]."""


@dataclass(frozen=True)
class State:
    """What a row has read; nothing in it is changed in place, so rows share it.

    `memory` [position, size] is the encoder's output, None before START. `crossed` are keys and
    values of it, `written` those of the `count` tokens that the decoder has read.
    """

    prompt: tuple[int, ...] = ()
    memory: Tensor | None = None
    count: int = 0
    crossed: Layers = ()
    written: Layers = ()

    @property
    def length(self) -> int:
        """How many tokens that are."""
        return len(self.prompt) + self.count

    def cropped(self, length: int) -> State:
        """Return the state after the first tokens."""
        count = length - len(self.prompt)
        if count <= 0:
            return State(self.prompt[:length], None if count else self.memory)
        kept = tuple((keys[:, :, :count], values[:, :, :count]) for keys, values in self.written)
        return replace(self, count=count, written=kept)

    @property
    def bytes(self) -> int:
        """The bytes of its tensors."""
        cached = sum(each.nbytes for pair in (*self.crossed, *self.written) for each in pair)
        return cached + (0 if self.memory is None else self.memory.nbytes)


class EncoderDecoderRows(OpenRows):
    """The open rows of an encoder-decoder model, each with a state of its own."""

    def __init__(self, model: EncoderDecoderModel) -> None:
        super().__init__()
        self.model = model
        self._states: dict[CacheRow, State] = {}
        self._name = cache_name(model.module) or "past_key_values"

    def allocate(self) -> CacheRow:
        """Open an empty row."""
        row = super().allocate()
        self._states[row] = State()
        return row

    def free(self, row: CacheRow, *, wipe: bool = False) -> None:
        """Close a row, and give up what it has read."""
        super().free(row, wipe=wipe)
        del self._states[row]

    def fork(self, row: CacheRow) -> CacheRow:
        """Open a copy of a row."""
        twin = self.twin(row)
        self._put(twin, self._states[row])
        return twin

    def rejoin(self, row: CacheRow, source: CacheRow, same: int) -> None:
        """Let a row hold what a source does."""
        del same
        self._put(row, self._states[source])

    def snapshot(self, row: CacheRow) -> None:
        """Nothing: any row can be cropped to any length."""

    def crop(self, row: CacheRow, length: int) -> int:
        """Crop a row; one that is cropped into its prompt reads the prompt again."""
        if length < row.length:
            self._put(row, self._states[row].cropped(length))
        return row.length

    def copy(self, source: CacheRow, row: CacheRow, length: int) -> bool:
        """Let a row hold the first tokens of another one."""
        state = self._states[source]
        self._put(row, state if length == state.length else state.cropped(length))
        return True

    def save(self, row: CacheRow) -> Saved:
        """Return what a row holds."""
        state = self._states[row]
        return Saved([(row.length, state)], state.bytes, crops=True)

    def load(self, row: CacheRow, saved: Saved, length: int) -> int:
        """Let an empty row hold the first tokens of what was saved."""
        (_, state), *_ = saved.states
        assert isinstance(state, State)
        self._put(row, state.cropped(min(length, state.length)))
        return row.length

    def _put(self, row: CacheRow, state: State) -> None:
        self._states[row], row.length = state, state.length

    def forward(self, feeds: Sequence[Feed]) -> Tensor:
        """Read the feeds; return logits [all kept, vocabulary] in their order."""
        begun = [self._begun(feed) for feed in feeds]
        states = self._encoded([state for state, _ in begun], [bool(ids) for _, ids in begun])
        groups: dict[tuple[int, int], list[int]] = {}
        for at, (state, ids) in enumerate(begun):
            if ids:
                groups.setdefault((state.count, len(ids)), []).append(at)
        logits: dict[int, Tensor] = {}
        for places in groups.values():
            new = torch.tensor([begun[at][1] for at in places], device=self.model.device)
            read, out = self._decoded([states[at] for at in places], new)
            logits |= dict(zip(places, out, strict=True))
            states |= dict(zip(places, read, strict=True))
        kept = [_kept(feed, logits.get(at)) for at, feed in enumerate(feeds) if feed.keep]
        for at, feed in enumerate(feeds):
            self._put(feed.row, states[at])
        return torch.cat(kept) if kept else torch.empty(0, self.model.width)

    def _begun(self, feed: Feed) -> tuple[State, list[int]]:
        """Return a row's state with the prompt tokens of a feed, and the decoder's new tokens."""
        state, ids = self._states[feed.row], list(feed.ids)
        if state.count:
            return state, ids
        at = ids.index(START) if START in ids else len(ids)
        written = [self.model.start, *ids[at + 1 :]] if at < len(ids) else []
        if any(place < at for place in feed.keep):
            text = f"`{self.model.name}` gives no probabilities to its prompt"
            help_ = "it is an encoder-decoder model: leave out what reads the prompt's likelihood"
            raise ModelError("E302", text, help_)
        return State((*state.prompt, *ids[:at]), state.memory), written

    def _encoded(self, states: Sequence[State], wholly: Sequence[bool]) -> dict[int, State]:
        """Return all states, with the encoder's output for those whose prompts are whole now."""
        whole = dict(enumerate(states))
        new = {at: each for at, each in whole.items() if each.memory is None and wholly[at]}
        prompts = [state.prompt for state in new.values()]
        if not prompts:
            return whole
        pad, longest = self._pad, max(map(len, prompts))
        rows = [[*ids, *[pad] * (longest - len(ids))] for ids in prompts]
        out = self.model.module.get_encoder()(
            input_ids=torch.tensor(rows, device=self.model.device),
            attention_mask=self._mask(map(len, prompts)),
        )[0]
        for at, memory in zip(new, out, strict=True):
            whole[at] = replace(whole[at], memory=memory[: len(whole[at].prompt)])
        return whole

    def _decoded(self, states: Sequence[State], ids: Tensor) -> tuple[list[State], Tensor]:
        """Let rows of one length read tokens [row, n]; return logits [row, n, vocabulary]."""
        memories = [state.memory for state in states if state.memory is not None]
        sizes = [len(memory) for memory in memories]
        padded = torch.nn.utils.rnn.pad_sequence(memories, batch_first=True)
        out = self.model.module(
            encoder_outputs=transformers.modeling_outputs.BaseModelOutput(padded),
            attention_mask=self._mask(sizes),
            decoder_input_ids=ids,
            use_cache=True,
            **{self._name: _joined(states)},
        )
        cache = out[self._name]
        crossed = _parts(cache.cross_attention_cache, sizes)
        count = states[0].count + ids.shape[1]
        written = _parts(cache.self_attention_cache, [count] * len(states))
        read = [
            replace(state, count=count, crossed=crossed[at], written=written[at])
            for at, state in enumerate(states)
        ]
        return read, out.logits

    def _mask(self, sizes: Iterable[int]) -> Tensor:
        """Return which places of padded prompts are tokens [row, position]."""
        each = torch.tensor(list(sizes), device=self.model.device)
        places = torch.arange(int(each.max()), device=self.model.device)
        return (places < each[:, None]).long()

    @property
    def _pad(self) -> int:
        pad = self.model.config.pad_token_id
        return pad if isinstance(pad, int) else 0


def _kept(feed: Feed, logits: Tensor | None) -> Tensor:
    """Return the logits that a feed keeps, of those of its last tokens."""
    assert logits is not None
    return logits[[len(logits) - len(feed.ids) + place for place in feed.keep]]


def _joined(states: Sequence[State]) -> Any:  # noqa: ANN401 - a cache of transformers
    """Return the cache of rows that have one length; the keys of unlike prompts are padded."""
    own, crossed = transformers.DynamicCache(), transformers.DynamicCache()
    if states[0].count:
        for layer in range(len(states[0].written)):
            own.update(*_stacked([state.written[layer] for state in states]), layer)
            crossed.update(*_stacked([state.crossed[layer] for state in states]), layer)
    return transformers.EncoderDecoderCache(own, crossed)


def _stacked(pairs: Sequence[tuple[Tensor, Tensor]]) -> list[Tensor]:
    """Stack keys, and values, [1, head, position, size] of several rows, padded at their ends."""
    longest = max(keys.shape[2] for keys, _ in pairs)
    return [
        torch.cat(
            [torch.nn.functional.pad(each, (0, 0, 0, longest - each.shape[2])) for each in part]
        )
        for part in zip(*pairs, strict=True)
    ]


def _parts(cache: Any, sizes: Sequence[int]) -> list[Layers]:  # noqa: ANN401 - of transformers
    """Return what a cache holds of each row: its first so many positions."""
    layers = [(layer.keys, layer.values) for layer in cache.layers]
    return [
        tuple(
            (keys[at : at + 1, :, :size], values[at : at + 1, :, :size]) for keys, values in layers
        )
        for at, size in enumerate(sizes)
    ]
