"""Texts and token ids that are scored: where each begins, and which of its tokens have a score."""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.engine.sequence import SequenceState
from composer.values.details import LikelyToken
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.engine.group import Group
    from composer.values.flow import Query

__all__ = ["Passage", "encoded", "open_ids", "open_plain"]


@dataclass(frozen=True, eq=False, slots=True)
class Passage:
    """A sequence, and the entries that are scored behind it.

    `before` are tokens of the same text that have no score, because nothing stands before them.
    """

    sequence: SequenceState
    entries: Sequence[int]
    before: tuple[LikelyToken, ...] = ()


def encoded(text: str) -> bytes:
    """Return a text's bytes; raises ModelError (E402) for half a character (a lone surrogate)."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        message = f"the text contains half a character at position {error.start}"
        raise ModelError("E402", message, "write whole characters") from None


def open_plain(group: Group, weights: Sequence[float], slots: Sequence[int], text: str) -> Passage:
    """Open a sequence after BOS, with the entries of a text.

    The text's first piece is part of the prompt, and so not scored, if a model has no BOS or
    vocabularies differ, since some put a space before a text. Raises ModelError (E711) for a text
    that the group cannot write.
    """
    models = {slot: group.slots[slot].runner.model for slot in slots}
    main = models[slots[0]]
    entries = group.entries_of(slots[0], main.vocabulary.begin(text))
    if text and group.bytes_of(entries) != main.vocabulary.dummy + encoded(text):
        names = ", ".join(model.name for model in models.values())
        raise ModelError(
            "E711",
            f"{names} cannot all write the text {text[:32]!r}",
            "leave a member out of the fuse, or use one whose tokenizer has every byte",
        )
    alike = len({model.vocabulary.fingerprint for model in models.values()}) == 1
    if alike and all(model.opening for model in models.values()):
        prompts = {slot: list(models[slot].opening) for slot in slots}
        return Passage(SequenceState.open(group, weights, prompts), entries)
    start, rest = _first_piece(group, entries, main.vocabulary.dummy, text)
    prompts = {slot: models[slot].raw(start) for slot in slots}
    before = tuple(
        LikelyToken(group.piece(entry), math.nan, group.id_of_entry(entry))
        for entry in entries[: len(entries) - len(rest)]
    )
    return Passage(SequenceState.open(group, weights, prompts), rest, before)


def open_ids(group: Group, weights: Sequence[float], slots: Sequence[int], query: Query) -> Passage:
    """Open a sequence after the first of a query's own ids, with the others as entries.

    Members with other tokenizers read the same bytes. Raises ModelError: E305 for ids of another
    tokenizer than that of the first model, E711 for one that the fuse cannot write.
    """
    main = group.slots[0].runner.model
    if query.vocabulary not in ("", main.vocabulary.fingerprint):
        raise ModelError(
            "E305",
            f"the token ids are not of the tokenizer of `{main.name}`, so they cannot be scored "
            "one by one",
            "send ids of the first model's tokenizer, or a text",
        )
    ids = main.read(query)
    count, prompts = _first_ids(group, slots, ids)
    entries = [_entry(group, token) for token in ids[count:]]
    before = tuple(
        LikelyToken(main.vocabulary.piece(token), math.nan, token) for token in ids[:count]
    )
    return Passage(SequenceState.open(group, weights, prompts), entries, before)


def _first_ids(
    group: Group, slots: Sequence[int], ids: Sequence[int]
) -> tuple[int, dict[int, list[int]]]:
    """Return how many ids the prompt has, and each slot's own tokens for them, at least one."""
    main = group.slots[0].runner.model
    models = {slot: group.slots[slot].runner.model for slot in slots}
    other = any(m.vocabulary.fingerprint != main.vocabulary.fingerprint for m in models.values())
    for count in range(1, len(ids) + 1 if other else 2):
        query = main.raw_query(ids[:count])
        if other and not query.is_whole:
            continue
        prompts = {slot: model.read(query) for slot, model in models.items()}
        if all(prompts.values()):
            return count, prompts
    raise ModelError(
        "E711",
        "the token ids have no text that all members can read",
        "send more of them, or ask the first model alone",
    )


def _entry(group: Group, token: int) -> int:
    """Return the entry of one of the first model's tokens; raises ModelError (E711)."""
    entry = group.entry_of_id(token)
    if entry is None:
        model = group.slots[0].runner.model
        name = model.special_names.get(token) or model.vocabulary.piece(token).decode(
            "utf-8", "replace"
        )
        raise ModelError(
            "E711",
            f"the members cannot all write the token {name!r} (id {token}) of `{model.name}`",
            "leave it out of the prompt, or ask the first model alone",
        )
    return entry


def _first_piece(
    group: Group, entries: Sequence[int], dummy: bytes, text: str
) -> tuple[str, Sequence[int]]:
    """Return the first piece that is whole characters of the text, and the entries after it.

    `dummy` is what the first model's tokenizer puts before any text.
    """
    for count in range(1, len(entries) + 1):
        with contextlib.suppress(UnicodeDecodeError):
            if head := group.bytes_of(entries[:count]).removeprefix(dummy).decode():
                return head, entries[count:]
    return text, ()
