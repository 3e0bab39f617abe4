"""Where one answer stands: for each model of a group, the tokens it was given and its row."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from composer.values.errors import ModelError
from composer.values.requests import Usage

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from composer.engine.fuse_tree import ModelSlot
    from composer.engine.group import Group
    from composer.engine.rows.row import CacheRow
    from composer.values.flow import Message, Query

__all__ = ["MemberDropped", "MemberState", "SequenceState", "messages_for", "prompt_tokens"]

T = TypeVar("T", bound=Exception)


@dataclass(eq=False, slots=True)
class TokenCount:
    """What forks of one track share: the prompt's length, and passes made for any of them.

    `spoilt` says that a row of one of them, and so of all, may hold what is not a number.
    """

    prompt: int = 0
    calls: int = 0
    may_hold_nan: bool = False


@dataclass(eq=False)
class MemberState:
    """One model's side of the text: `ids` all its tokens, of which `row` holds the first ones.

    `marks[n]` counts the tokens before entry n of the answer, `start` those before the answer.
    """

    slot: ModelSlot
    row: CacheRow
    ids: list[int]
    entry_starts: list[int] = field(default_factory=list)
    counts: TokenCount = field(default_factory=TokenCount)
    answer_start: int = 0

    @property
    def remaining_context(self) -> int:
        """How many tokens more the model can be given."""
        limit = self.slot.runner.model.context
        return 1 << 30 if limit is None else limit - len(self.ids)

    def close(self) -> None:
        """Give the row back."""
        self.slot.runner.rows.free(self.row, wipe=self.counts.may_hold_nan)


class MemberDropped(ModelError):
    """No error: a member has left the fuse, and what was asked is asked again of the others."""


class SequenceState:
    """A place in a text that a group reads or writes, entry by entry.

    `written` is how many tokens the answer has here; who writes part of it says where that begins.
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

    @classmethod
    def open(
        cls, group: Group, weights: Sequence[float], ids: dict[int, list[int]]
    ) -> SequenceState:
        """Begin after each leaf's tokens; rows are opened here and closed by `close`."""
        wrong = {slot: _unreadable(group.slots[slot], given) for slot, given in ids.items()}
        sequence = cls(group, weights, {})
        try:
            for slot, given in ids.items():
                if wrong[slot] is None:
                    sequence.states[slot] = _begun(group.slots[slot], given)
            for slot, error in wrong.items():
                if error is not None:
                    sequence.drop_or_raise(slot, error)
        except BaseException:
            sequence.close()
            raise
        return sequence

    @property
    def first_slot(self) -> int:
        """The first leaf that runs: whose tokens a given text is cut into."""
        return next(iter(self.states))

    @property
    def remaining_context(self) -> int:
        """How many tokens more every model can be given."""
        return min(state.remaining_context for state in self.states.values())

    def extend(self, entries: Iterable[int]) -> None:
        """Go on by some entries."""
        for entry in entries:
            self.append(entry)

    def append(self, entry: int) -> None:
        """Go on by one entry: each model is given its token of it, or the tokens of its bytes."""
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
        """Go back to the first `count` entries; caches are cut back, not made anew."""
        for state in self.states.values():
            if count < len(state.entry_starts):
                del state.ids[state.entry_starts[count] :], state.entry_starts[count:]
                state.slot.runner.rows.crop(state.row, len(state.ids))
        self.answer_length -= len(self.entries[count:])
        del self.entries[count:]

    def snapshot(self) -> None:
        """Make it cheap to come back here for models that cannot be cut back."""
        for state in self.states.values():
            state.slot.runner.rows.snapshot(state.row)

    def fork(self) -> SequenceState:
        """A second cursor at the same place, with rows of its own."""
        twin = SequenceState(self.group, self.weights, {})
        try:
            for slot, state in self.states.items():
                twin.states[slot] = _copy(state)
        except BaseException:
            twin.close()
            raise
        twin.entries, twin.answer_length = list(self.entries), self.answer_length
        twin.dropped_states, twin.dropped = list(self.dropped_states), dict(self.dropped)
        return twin

    def set_weights(self, weights: Sequence[float]) -> None:
        """Go on with other weights; rows of members that have none are given back."""
        self.weights = tuple(weights)
        for slot in set(self.states) - set(self.group.running_slots(weights)):
            state = self.states.pop(slot)
            state.close()
            self.dropped_states.append(state)

    def drop(self, slot: int, error: T) -> T | MemberDropped:
        """Go on without the member of a leaf that failed, if the fuse says so.

        Returns `MemberDropped`; or the error itself, where the member leads or was the last.
        """
        weights = self.group.weights_without(slot, self.weights)
        if weights is None:
            return error
        name = self.group.slots[slot].name
        self.dropped[name] = str(error)
        self.set_weights(weights)
        return MemberDropped("E701", f"{name} was dropped: {error}")

    def drop_or_raise(self, slot: int, error: Exception) -> None:
        """Go on without the member of a leaf, or raise what was wrong with it."""
        if not isinstance(self.drop(slot, error), MemberDropped):
            raise error

    def drop_full_members(self) -> bool:
        """Go on without members that have no room left; say whether there is room then."""
        for slot, state in list(self.states.items()):
            if state.remaining_context < 0 and slot in self.states:
                context = state.slot.runner.model.context
                self.drop(slot, ModelError("E703", f"its context is {context} tokens"))
        return self.remaining_context >= 0

    def close(self) -> None:
        """Give the rows back; the cursor is over."""
        for state in self.states.values():
            state.close()
        self.states = {}

    def encode(self, text: bytes) -> list[int]:
        """Entries that go on with a text; raises ModelError if not all models can write it."""
        models = [state.slot.runner.model for state in self.states.values()]
        entries = self.group.entries_of(self.first_slot, models[0].vocabulary.extend(text))
        if self.group.bytes_of(entries) != text:
            lack = [model.name for model in models if not model.vocabulary.writes(text)]
            raise ModelError(
                "E711",
                f"{', '.join(lack) or 'a member'} cannot write all of the text {text[:32]!r}",
                "leave this member out of the fuse, or use a model whose tokenizer has every byte",
            )
        return entries

    def continuation(self, last: bytes, new: bytes) -> tuple[int, list[int]]:
        """How many entries stay, and which follow them, to go on with `new` after `last`.

        `last` is the text's end; where the two are tokenized otherwise together, what stays ends
        where they begin to differ.
        """
        before, after = self.encode(last), self.encode(last + new)
        same = next(
            (n for n, (a, b) in enumerate(zip(before, after, strict=False)) if a != b),
            min(len(before), len(after)),
        )
        start = len(self.entries) - len(before)
        if same < len(before) and self.entries[start:] != before:
            return len(self.entries), self.encode(new)  # these are a model's own tokens: they stay
        return start + same, after[same:]

    def usage(self) -> dict[str, Usage]:
        """What each model was given so far; equal names add up."""
        found: dict[str, Usage] = {}
        for state in (*self.states.values(), *self.dropped_states):
            written = len(state.ids) - state.counts.prompt
            own = Usage(state.counts.calls, state.counts.prompt, written)
            found[state.slot.name] = found.get(state.slot.name, Usage()) + own
        return found


def messages_for(slot: ModelSlot, query: Query) -> tuple[Message, ...]:
    """What a leaf reads: the query, or what the leaf's own prompt makes of it."""
    return query.messages if slot.prompt is None else (("user", slot.prompt.render(query)),)


def prompt_tokens(slot: ModelSlot, query: Query, prefix: str) -> list[int]:
    """Tokens of the leaf's prompt and of the answer's beginning."""
    model = slot.runner.model
    ids = model.render(messages_for(slot, query), slot.chat)
    return [*ids, *model.vocabulary.extend(prefix.encode())] if prefix else ids


def _unreadable(slot: ModelSlot, given: Sequence[int]) -> ModelError | None:
    """Why a leaf cannot begin with a prompt, if it cannot."""
    model = slot.runner.model
    if not given:
        return ModelError("E701", f"the prompt of {model.name} is empty")
    if model.context is not None and len(given) > model.context:
        return ModelError(
            "E703",
            f"the prompt has {len(given)} tokens, but the context of {model.name} is "
            f"{model.context} tokens",
            "shorten the prompt, or leave this member out",
        )
    if max(given) >= model.rows:
        return ModelError(
            "E505",
            f"the tokenizer of {model.name} gives token {max(given)} for this prompt, but its "
            f"weights have only {model.rows} tokens",
            "put the tokenizer that the model was trained with into its folder",
        )
    return None


def _begun(slot: ModelSlot, given: list[int]) -> MemberState:
    row, count = slot.runner.rows.allocate(), TokenCount(prompt=len(given))
    return MemberState(slot, row, given, counts=count, answer_start=len(given))


def _copy(state: MemberState) -> MemberState:
    row = state.slot.runner.rows.fork(state.row)
    return MemberState(
        state.slot, row, list(state.ids), list(state.entry_starts), state.counts, state.answer_start
    )
