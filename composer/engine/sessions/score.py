"""How likely a given text is under a model or a group."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from composer.engine.requests.rank import ScoreEntries
from composer.engine.sequence import SequenceState, prompt_tokens
from composer.engine.sessions.prompt_weights import set_prompt_weights
from composer.values.errors import ModelError
from composer.values.requests import Score

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.engine.group import Group
    from composer.values.flow import Model, Query
    from composer.values.requests import ScoreTexts

__all__ = ["open_plain", "perplexity", "score"]

_FLOATS = 1 << 21  # of one row in one tick: positions times vocabulary


async def score(group: Group, asked: ScoreTexts, text: str, *, end: bool) -> Score:
    """Log-probabilities of a text after prompts; or of one that begins after BOS."""
    shares = group.weights(asked.model)
    run = group.running_slots(shares)
    if asked.query is None:
        sequence, entries = open_plain(group, shares, run, text)
        return await _read(sequence, entries, end=end)
    written = encoded(text)
    ids = {slot: prompt_tokens(group.slots[slot], asked.query, asked.prefix) for slot in run}
    sequence = SequenceState.open(group, shares, ids)
    try:
        await set_prompt_weights(sequence, asked.query)
        entries = sequence.encode(written)
    except BaseException:
        sequence.close()
        raise
    return await _read(sequence, entries, end=end)


def encoded(text: str) -> bytes:
    """Return a text's bytes; half a character (a lone surrogate) has none."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        said = f"the text contains half a character at position {error.start}"
        raise ModelError("E402", said, "write whole characters") from None


async def perplexity(group: Group, model: Model, query: Query) -> Score:
    """Log-probabilities of a query's own tokens, as each model is given them."""
    shares = group.weights(model)
    run = group.running_slots(shares)
    if len({group.slots[slot].runner.model.vocabulary.fingerprint for slot in run}) > 1:
        raise ModelError(
            "E305",
            "the rendered prompt has different tokens for members with different vocabularies",
            "ask for the prompt perplexity of each member alone",
        )
    slot = group.slots[run[0]]
    first, *rest = slot.runner.model.render(query.messages, slot.chat)
    sequence = SequenceState.open(group, shares, {slot: [first] for slot in run})
    return await _read(sequence, rest, end=False)


def open_plain(
    group: Group, shares: Sequence[float], run: Sequence[int], text: str
) -> tuple[SequenceState, Sequence[int]]:
    """Open a cursor after BOS; return it, and the entries of a text that go on from there.

    The text's first piece is taken as given by models that have no BOS, and by groups of unlike
    vocabularies, some of which put a space before a text.
    """
    models = {slot: group.slots[slot].runner.model for slot in run}
    main = models[run[0]]
    encoded(text)
    entries = group.entries_of(run[0], main.vocabulary.begin(text))
    alike = len({model.vocabulary.fingerprint for model in models.values()}) == 1
    if alike and all(model.opening for model in models.values()):
        given = {slot: list(models[slot].opening) for slot in run}
        return SequenceState.open(group, shares, given), entries
    start, rest = _head(group, entries, main.vocabulary.dummy, text)
    return SequenceState.open(group, shares, {slot: models[slot].raw(start) for slot in run}), rest


def _head(
    group: Group, entries: Sequence[int], dummy: bytes, text: str
) -> tuple[str, Sequence[int]]:
    """The first piece that is some whole characters of the text, and the entries after it.

    `dummy` is what the first model's tokenizer puts before any text.
    """
    for count in range(1, len(entries) + 1):
        with contextlib.suppress(UnicodeDecodeError):
            if head := group.bytes_of(entries[:count]).removeprefix(dummy).decode():
                return head, entries[count:]
    return text, ()


async def _read(sequence: SequenceState, entries: Sequence[int], *, end: bool) -> Score:
    """Read in stretches that fit in memory."""
    count = len(entries) + end
    stretch = min(256, max(8, _FLOATS // len(sequence.group.space)))
    found: list[float] = []
    try:
        for start in range(0, count, stretch):
            sequence.extend(entries[start : start + stretch])
            if sequence.remaining_context < 0:
                raise ModelError("E703", "the text is longer than the context of a member")
            last = end and start + stretch >= count
            found += await ScoreEntries(sequence, start, last)
    finally:
        sequence.close()
    names = [sequence.group.piece(entry).decode(errors="replace") for entry in entries]
    return Score((*names, *("",) * end), tuple(found))
