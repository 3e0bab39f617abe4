"""One sequence of a group: its entries, and each model's tokens and cache row.

A session appends entries; the next engine step feeds each model the tokens that it has not read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from composer.diagnostics.amounts import counted
from composer.engine.rows.remote import RemoteRunner
from composer.engine.rows.row import TokenCount
from composer.values.errors import ModelError
from composer.values.media import refuse_media
from composer.values.results import UNTOLD, Usage

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from composer.engine.fuse_tree import ModelSlot
    from composer.engine.group import Group
    from composer.engine.rows.row import CacheRow
    from composer.values.flow import Message, Query

__all__ = [
    "STATIC",
    "MemberDropped",
    "MemberState",
    "SequenceState",
    "messages_for",
    "prompt_tokens",
]

T = TypeVar("T", bound=Exception)
STATIC = "static_step"
"""The fact that says why an answer's steps of fixed shapes were not captured, or not used."""

_NEGLIGIBLE = 1e-5  # of float32 log-probabilities that add up to one


@dataclass(eq=False)
class MemberState:
    """One model's part of a sequence: `ids` are all its tokens, and `row` has read the first ones.

    `entry_starts[n]` is the number of tokens before entry n of the sequence, `answer_start` the
    number of tokens before the answer.
    """

    slot: ModelSlot
    row: CacheRow
    ids: list[int]
    entry_starts: list[int] = field(default_factory=list)
    counts: TokenCount = field(default_factory=TokenCount)
    answer_start: int = 0

    @property
    def remaining_context(self) -> int:
        """How many more tokens fit into the model's context; negative if there are too many."""
        limit = _most_tokens(self.slot)
        return 1 << 30 if limit is None else limit - self.slot.runner.model.used(self.ids)

    def rejoin(self, source: MemberState, count: int) -> None:
        """Be a copy of a source, with which it shares its first `count` entries."""
        starts = source.entry_starts
        same = starts[count] if count < len(starts) else len(source.ids)
        self.slot.runner.rows.rejoin(self.row, source.row, same)
        self.ids, self.entry_starts = list(source.ids), list(starts)

    def keep(self) -> None:
        """Let sequences that begin with the same tokens take over what the row holds."""
        runner = self.slot.runner
        if not (isinstance(runner, RemoteRunner) or self.counts.may_hold_nan):
            runner.prefixes.keep(self.row, self.ids)

    def close(self) -> None:
        """Free the row."""
        self.slot.runner.rows.free(self.row, wipe=self.counts.may_hold_nan)


class MemberDropped(ModelError):
    """A member was dropped from the fuse: the request is asked again of the other members.

    This is a signal inside the engine. It never reaches a job.
    """


class SequenceState:
    """A text that a group reads or writes, entry by entry.

    `entries` are those after the prompt, `states` the running models by slot, `weights` those of
    the group's members. `answer_length` counts the tokens of the answer; a session that writes a
    later part of an answer sets where it begins. `dropped` has the reason for each dropped member.
    `gaps` has, for each token that may be another one than with all probabilities known, the
    largest probability that a server left untold. `remarks` are other facts that an answer tells.
    """

    def __init__(
        self, group: Group, weights: Sequence[float], states: dict[int, MemberState]
    ) -> None:
        self.group = group
        self.weights = tuple(weights)
        self.states = states
        self.entries: list[int] = []
        self.answer_length = 0
        self.dropped_states: list[MemberState] = []
        self.dropped: dict[str, str] = {}
        self.gaps: list[float] = []
        self.remarks: dict[str, object] = {}

    @classmethod
    def open(
        cls, group: Group, weights: Sequence[float], ids: dict[int, list[int]]
    ) -> SequenceState:
        """Open a sequence after each slot's prompt tokens; `close` frees its rows.

        Raises ModelError where a prompt cannot be read (E505, E701, E703) and its member must stay.
        """
        errors = {slot: _prompt_error(group.slots[slot], prompt) for slot, prompt in ids.items()}
        sequence = cls(group, weights, {})
        try:
            for slot, prompt in ids.items():
                if errors[slot] is None:
                    sequence.states[slot] = _opened(group.slots[slot], prompt)
            for slot, error in errors.items():
                if error is not None:
                    sequence.drop_or_raise(slot, error)
        except BaseException:
            sequence.close()
            raise
        return sequence

    @property
    def first_slot(self) -> int:
        """The first slot that runs; its tokenizer splits texts into entries (see `encode`)."""
        return next(iter(self.states))

    @property
    def remaining_context(self) -> int:
        """How many more tokens fit into the context of every model."""
        return min(state.remaining_context for state in self.states.values())

    def extend(self, entries: Iterable[int]) -> None:
        """Append some entries."""
        for entry in entries:
            self.append(entry)

    def append(self, entry: int) -> None:
        """Append one entry: each model gets its own token for it, or the tokens of its bytes."""
        for slot, state in self.states.items():
            state.entry_starts.append(len(state.ids))
            token = self.group.token_of[slot][entry]
            if token >= 0:
                state.ids.append(token)
            else:
                vocabulary = state.slot.runner.model.vocabulary
                state.ids.extend(vocabulary.extend(self.group.piece(entry)))
        self.entries.append(entry)
        self.answer_length += 1

    def truncate(self, count: int) -> None:
        """Keep the first `count` entries; caches are cropped, not read again."""
        for state in self.states.values():
            if count < len(state.entry_starts):
                del state.ids[state.entry_starts[count] :], state.entry_starts[count:]
                state.slot.runner.rows.crop(state.row, len(state.ids))
        self.answer_length -= len(self.entries[count:])
        del self.entries[count:]

    def snapshot(self) -> None:
        """Keep a copy of caches that cannot be cropped, so that it is cheap to come back here."""
        for state in self.states.values():
            state.slot.runner.rows.snapshot(state.row)

    def fork(self) -> SequenceState:
        """Return a copy of the sequence with cache rows of its own."""
        twin = SequenceState(self.group, self.weights, {})
        try:
            for slot, state in self.states.items():
                twin.states[slot] = _copy(state)
        except BaseException:
            twin.close()
            raise
        twin._copy_from(self)
        return twin

    def rejoin(self, source: SequenceState, count: int) -> bool:
        """Let a fork be a copy again; it shares the first `count` entries with its source.

        Only what lies behind these is copied. Returns False, and changes nothing, where they have
        not the same models, or where a cache may hold NaN.
        """
        if self.states.keys() != source.states.keys() or any(
            state.counts.may_hold_nan for state in self.states.values()
        ):
            return False
        for slot, state in self.states.items():
            state.rejoin(source.states[slot], count)
        self._copy_from(source)
        return True

    def _copy_from(self, source: SequenceState) -> None:
        """Take what does not belong to a model."""
        self.entries, self.answer_length = list(source.entries), source.answer_length
        self.dropped_states, self.dropped = list(source.dropped_states), dict(source.dropped)
        self.weights, self.gaps, self.remarks = source.weights, source.gaps, source.remarks

    @property
    def facts(self) -> dict[str, object]:
        """The remarks, and what servers left untold if that may have changed anything."""
        if not self.gaps:
            return self.remarks
        untold = {"tokens": len(self.gaps), "probability": max(self.gaps)}
        return {**self.remarks, UNTOLD: untold}

    def note_gap(self, probability: float) -> None:
        """Note that a server left some probability untold, where that may change something."""
        if probability > _NEGLIGIBLE:
            self.gaps.append(probability)

    def set_weights(self, weights: Sequence[float]) -> None:
        """Set the members' weights; models that no longer contribute free their rows."""
        self.weights = tuple(weights)
        for slot in set(self.states) - set(self.group.running_slots(weights)):
            state = self.states.pop(slot)
            state.close()
            self.dropped_states.append(state)

    def drop(self, slot: int, error: T) -> T | MemberDropped:
        """Drop the member of a slot that failed, if the fuse has `leave`.

        Returns `MemberDropped`; or the error itself if the member leads or is the last one.
        """
        weights = self.group.weights_without(slot, self.weights)
        if weights is None:
            return error
        name = self.group.slots[slot].name
        self.dropped[name] = str(error)
        self.set_weights(weights)
        return MemberDropped("E701", f"{name} was dropped: {error}")

    def drop_or_raise(self, slot: int, error: Exception) -> None:
        """Drop the member of a slot, or raise its error if it must stay."""
        if not isinstance(self.drop(slot, error), MemberDropped):
            raise error

    def drop_full_members(self) -> bool:
        """Drop members whose context is full, where the fuse allows it.

        Returns whether every model that is left has room.
        """
        for slot, state in list(self.states.items()):
            if state.remaining_context < 0 and slot in self.states:
                context = counted(state.slot.runner.model.context or 0, "token")
                self.drop(slot, ModelError("E703", f"its context is {context}"))
        return self.remaining_context >= 0

    def keep(self) -> None:
        """Let sequences that begin with the same tokens take over what the rows hold."""
        for state in self.states.values():
            state.keep()

    def close(self) -> None:
        """Free the rows; the sequence cannot be used any more."""
        for state in self.states.values():
            state.close()
        self.states = {}

    def encode(self, text: bytes) -> list[int]:
        """Split a text into entries; raises ModelError (E711) if a model cannot write it."""
        models = [state.slot.runner.model for state in self.states.values()]
        entries = self.group.entries_of(self.first_slot, models[0].vocabulary.extend(text))
        if self.group.bytes_of(entries) != text:
            names = [model.name for model in models if not model.vocabulary.writes(text)]
            raise ModelError(
                "E711",
                f"{', '.join(names) or 'a member'} cannot write all of the text {text[:32]!r}",
                "leave this member out of the fuse, or use a model whose tokenizer has every byte",
            )
        return entries

    def continuation(self, last: bytes, new: bytes) -> tuple[int, list[int]]:
        """How to append `new` to a sequence that ends with the text `last`.

        Returns how many entries stay and the entries that follow them. Entries at the end do not
        stay if the tokenizer splits `last + new` otherwise than `last` alone.
        """
        before, after = self.encode(last), self.encode(last + new)
        same = next(
            (n for n, (a, b) in enumerate(zip(before, after, strict=False)) if a != b),
            min(len(before), len(after)),
        )
        start = len(self.entries) - len(before)
        if same < len(before) and self.entries[start:] != before:
            return len(self.entries), self.encode(new)  # the model's own tokens always stay
        return start + same, after[same:]

    def usage(self, end_tokens: int = 0) -> dict[str, Usage]:
        """Calls, prompt tokens and completion tokens by model name; equal names add up.

        Each name has the end tokens of the answer besides; servers have counted them already.
        """
        usage: dict[str, Usage] = {}
        for state in (*self.states.values(), *self.dropped_states):
            counts = state.counts
            written = len(state.ids) - counts.prompt + (state.slot.name not in usage) * end_tokens
            state_usage = (
                Usage(counts.calls, counts.read, counts.written)
                if isinstance(state.slot.runner, RemoteRunner)
                else Usage(counts.calls, counts.prompt, written)
            )
            usage[state.slot.name] = usage.get(state.slot.name, Usage()) + state_usage
        return usage


def messages_for(slot: ModelSlot, query: Query) -> tuple[Message, ...]:
    """Return the messages for a slot: the query, or what the slot's own prompt makes of it.

    Raises ModelError (E722) where they have images or other parts, which are no tokens.
    """
    own = slot.prompt
    messages = query.messages if own is None else (("user", own.render(query)),)
    for _, text in messages:
        refuse_media(slot.name, query.id, text, query.media)
    return messages


def prompt_tokens(slot: ModelSlot, query: Query, prefix: str) -> list[int]:
    """Return the tokens of the query as the slot's model reads it, and of the answer's prefix.

    A raw query, or what the slot's own prompt makes of it, is read without the chat template.
    """
    model, messages = slot.runner.model, messages_for(slot, query)
    if query.raw:
        own = query if slot.prompt is None else query.rewritten(messages[-1][1])
        ids = model.read(own, parse_special=slot.chat.parse_special)
    else:
        ids = model.render(messages, slot.chat)
    return [*ids, *model.vocabulary.extend(prefix.encode())] if prefix else ids


def _prompt_error(slot: ModelSlot, prompt: Sequence[int]) -> ModelError | None:
    """Return what is wrong with a slot's prompt tokens; None if nothing is."""
    model = slot.runner.model
    if not prompt:
        return ModelError("E701", f"the prompt of {model.name} is empty")
    most = _most_tokens(slot)
    if most is not None and model.used(prompt) > most:
        return ModelError(
            "E703",
            f"the prompt has {counted(model.used(prompt), 'token')}, but the context of "
            f"{model.name} is {counted(model.context or 0, 'token')}",
            "shorten the prompt, or leave this member out",
        )
    if max(prompt) >= model.rows:
        return ModelError(
            "E505",
            f"the tokenizer of {model.name} gives token {max(prompt)} for this prompt, but its "
            f"weights have only {counted(model.rows, 'token')}",
            "put the tokenizer that the model was trained with into its folder",
        )
    return None


def _most_tokens(slot: ModelSlot) -> int | None:
    """How many tokens a slot's model can read: a server always has to write one behind them."""
    limit, runner = slot.runner.model.context, slot.runner
    return limit - 1 if limit is not None and isinstance(runner, RemoteRunner) else limit


def _opened(slot: ModelSlot, prompt: list[int]) -> MemberState:
    row, counts = slot.runner.rows.allocate(), TokenCount(prompt=len(prompt))
    row.adapter = slot.adapter
    if not isinstance(slot.runner, RemoteRunner):
        slot.runner.prefixes.fill(row, prompt)
    return MemberState(slot, row, prompt, counts=counts, answer_start=len(prompt))


def _copy(state: MemberState) -> MemberState:
    row = state.slot.runner.rows.fork(state.row)
    return MemberState(
        state.slot, row, list(state.ids), list(state.entry_starts), state.counts, state.answer_start
    )
