"""Scoring: the log-probabilities of a text under a model or a fuse."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from composer.engine.requests.rank import ScoreEntries
from composer.engine.sequence import SequenceState, prompt_tokens
from composer.engine.sessions.prompt_weights import set_prompt_weights
from composer.values.errors import ModelError
from composer.values.results import Score

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.engine.group import Group
    from composer.values.flow import Model, Query
    from composer.values.requests import ScoreTexts

__all__ = ["open_plain", "perplexity", "score"]

_FLOATS = 1 << 21  # of one row in one step: positions times vocabulary


async def score(group: Group, job: ScoreTexts, text: str, *, end: bool) -> Score:
    """Log-probabilities of a text after the job's query; without a query, of the text after BOS.

    `end` also scores the end after the text. Raises ModelError: E402 for text that has no bytes,
    E703 for one that is longer than a member's context, E711 for one that a member cannot write.
    """
    weights = group.weights(job.model)
    slots = group.running_slots(weights)
    if job.query is None:
        sequence, entries = open_plain(group, weights, slots, text)
        return await _score(sequence, entries, end=end)
    text_bytes = encoded(text)
    ids = {slot: prompt_tokens(group.slots[slot], job.query, job.prefix) for slot in slots}
    sequence = SequenceState.open(group, weights, ids)
    try:
        await set_prompt_weights(sequence, job.query)
        entries = sequence.encode(text_bytes)
    except BaseException:
        sequence.close()
        raise
    return await _score(sequence, entries, end=end)


def encoded(text: str) -> bytes:
    """Return a text's bytes; raises ModelError (E402) for half a character (a lone surrogate)."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        message = f"the text contains half a character at position {error.start}"
        raise ModelError("E402", message, "write whole characters") from None


async def perplexity(group: Group, model: Model, query: Query) -> Score:
    """Log-probabilities of a query's own tokens after the first, as rendered for the first model.

    Raises ModelError (E305) for a fuse of unlike vocabularies.
    """
    weights = group.weights(model)
    slots = group.running_slots(weights)
    if len({group.slots[slot].runner.model.vocabulary.fingerprint for slot in slots}) > 1:
        raise ModelError(
            "E305",
            "the rendered prompt has different tokens for members with different vocabularies",
            "ask for the prompt perplexity of each member alone",
        )
    first_slot = group.slots[slots[0]]
    first, *rest = first_slot.runner.model.render(query.messages, first_slot.chat)
    sequence = SequenceState.open(group, weights, {slot: [first] for slot in slots})
    return await _score(sequence, rest, end=False)


def open_plain(
    group: Group, weights: Sequence[float], slots: Sequence[int], text: str
) -> tuple[SequenceState, Sequence[int]]:
    """Open a sequence after BOS; return it, and the entries of a text that follow.

    The text's first piece is part of the prompt, and so not scored, if a model has no BOS or
    vocabularies differ, since some put a space before a text.
    """
    models = {slot: group.slots[slot].runner.model for slot in slots}
    main = models[slots[0]]
    encoded(text)
    entries = group.entries_of(slots[0], main.vocabulary.begin(text))
    alike = len({model.vocabulary.fingerprint for model in models.values()}) == 1
    if alike and all(model.opening for model in models.values()):
        prompts = {slot: list(models[slot].opening) for slot in slots}
        return SequenceState.open(group, weights, prompts), entries
    start, rest = _first_piece(group, entries, main.vocabulary.dummy, text)
    prompts = {slot: models[slot].raw(start) for slot in slots}
    return SequenceState.open(group, weights, prompts), rest


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


async def _score(sequence: SequenceState, entries: Sequence[int], *, end: bool) -> Score:
    """Score entries after a sequence, in chunks that fit in memory, and close the sequence."""
    count = len(entries) + end
    chunk = min(256, max(8, _FLOATS // len(sequence.group.space)))
    logprobs: list[float] = []
    try:
        for start in range(0, count, chunk):
            sequence.extend(entries[start : start + chunk])
            if sequence.remaining_context < 0:
                raise ModelError("E703", "the text is longer than the context of a member")
            last = end and start + chunk >= count
            logprobs += (await ScoreEntries(sequence, start, last)).logprobs
    finally:
        sequence.close()
    names = [sequence.group.piece(entry).decode(errors="replace") for entry in entries]
    return Score((*names, *("",) * end), tuple(logprobs))
