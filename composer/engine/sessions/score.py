"""How likely a given text is under a model or a group."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from composer.engine.requests.entries import ScoreEntries
from composer.engine.sequence import SequenceState, opening
from composer.engine.sessions.settle import settle
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
    run = group.run(shares)
    if asked.query is None:
        cursor, entries = open_plain(group, shares, run, text)
        return await _read(cursor, entries, end=end)
    written = encoded(text)
    ids = {leaf: opening(group.leaves[leaf], asked.query, asked.prefix) for leaf in run}
    cursor = SequenceState.open(group, shares, ids)
    try:
        await settle(cursor, asked.query)
        entries = cursor.path(written)
    except BaseException:
        cursor.close()
        raise
    return await _read(cursor, entries, end=end)


def encoded(text: str) -> bytes:
    """Return a text's bytes; half a character (a lone surrogate) has none."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        said = f"the text holds half a character at position {error.start}"
        raise ModelError("E402", said, "write it as whole characters") from None


async def perplexity(group: Group, model: Model, query: Query) -> Score:
    """Log-probabilities of a query's own tokens, as each model is given them."""
    shares = group.weights(model)
    run = group.run(shares)
    if len({group.leaves[leaf].runner.model.vocabulary.fingerprint for leaf in run}) > 1:
        raise ModelError(
            "E305",
            "a prompt as rendered has no tokens in common between unlike vocabularies",
            "ask for the prompt perplexity of each member",
        )
    leaf = group.leaves[run[0]]
    first, *rest = leaf.runner.model.render(query.messages, leaf.chat)
    cursor = SequenceState.open(group, shares, {leaf: [first] for leaf in run})
    return await _read(cursor, rest, end=False)


def open_plain(
    group: Group, shares: Sequence[float], run: Sequence[int], text: str
) -> tuple[SequenceState, Sequence[int]]:
    """Open a cursor after BOS; return it, and the entries of a text that go on from there.

    The text's first piece is taken as given by models that have no BOS, and by groups of unlike
    vocabularies, some of which put a space before a text.
    """
    models = {leaf: group.leaves[leaf].runner.model for leaf in run}
    main = models[run[0]]
    encoded(text)
    entries = group.path(run[0], main.vocabulary.begin(text))
    alike = len({model.vocabulary.fingerprint for model in models.values()}) == 1
    if alike and all(model.opening for model in models.values()):
        given = {leaf: list(models[leaf].opening) for leaf in run}
        return SequenceState.open(group, shares, given), entries
    start, rest = _head(group, entries, main.vocabulary.dummy, text)
    return SequenceState.open(group, shares, {leaf: models[leaf].raw(start) for leaf in run}), rest


def _head(
    group: Group, entries: Sequence[int], dummy: bytes, text: str
) -> tuple[str, Sequence[int]]:
    """The first piece that is some whole characters of the text, and the entries after it.

    `dummy` is what the first model's tokenizer puts before any text.
    """
    for count in range(1, len(entries) + 1):
        with contextlib.suppress(UnicodeDecodeError):
            if head := group.spell(entries[:count]).removeprefix(dummy).decode():
                return head, entries[count:]
    return text, ()


async def _read(cursor: SequenceState, entries: Sequence[int], *, end: bool) -> Score:
    """Read in stretches that fit in memory."""
    count = len(entries) + end
    stretch = min(256, max(8, _FLOATS // len(cursor.group.space)))
    found: list[float] = []
    try:
        for start in range(0, count, stretch):
            cursor.extend(entries[start : start + stretch])
            if cursor.room < 0:
                raise ModelError("E703", "the text is longer than a member's context")
            last = end and start + stretch >= count
            found += await ScoreEntries(cursor, start, last)
    finally:
        cursor.close()
    names = [cursor.group.piece(entry).decode(errors="replace") for entry in entries]
    return Score((*names, *("",) * end), tuple(found))
