"""Scoring: the log-probabilities of a text under a model or a fuse."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.engine.requests.rank import ScoreEntries
from composer.engine.sequence import SequenceState, prompt_tokens
from composer.engine.sessions.passages import Passage, encoded, open_ids, open_plain
from composer.engine.sessions.prompt_weights import set_prompt_weights
from composer.values.errors import ModelError
from composer.values.results import Score

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.engine.group import Group
    from composer.values.details import TokenChoice, TokenDetail
    from composer.values.flow import Query
    from composer.values.requests import ScoreTexts

__all__ = ["perplexity", "score"]

_FLOATS = 1 << 21  # of one row in one step: positions times vocabulary


async def score(group: Group, job: ScoreTexts, text: str, *, end: bool) -> Score:
    """Log-probabilities of a text after the job's query; without a query, of the text after BOS.

    `end` also scores the end after the text. Raises ModelError: E402 for text that has no bytes,
    E703 for one that is longer than a member's context, E711 for one that a member cannot write.
    """
    weights = group.weights(job.model)
    slots = group.running_slots(weights)
    if job.query is None:
        return await _score(open_plain(group, weights, slots, text), job.detail, end=end)
    text_bytes = encoded(text)
    ids = {slot: prompt_tokens(group.slots[slot], job.query, job.prefix) for slot in slots}
    sequence = SequenceState.open(group, weights, ids)
    try:
        await set_prompt_weights(sequence, job.query)
        entries = sequence.encode(text_bytes)
    except BaseException:
        sequence.close()
        raise
    return await _score(Passage(sequence, entries), job.detail, end=end)


async def perplexity(group: Group, job: ScoreTexts) -> Score:
    """Log-probabilities of a query's own tokens: raw, or as it is rendered for the first model.

    The first token has none, unless the token that begins texts stands before it. Raises ModelError
    (E305) where members read other tokens than these.
    """
    query, weights = job.query, group.weights(job.model)
    assert query is not None
    slots = group.running_slots(weights)
    if not query.raw:
        return await _score(_rendered(group, weights, slots, query), job.detail)
    if any(group.slots[slot].prompt is not None for slot in slots):
        raise ModelError(
            "E305",
            "members with a prompt of their own do not read the tokens of the query as they are",
            "ask for the log-probabilities of a model without `prompt(...)`",
        )
    weights = await _prompt_weights(group, weights, query)
    slots = group.running_slots(weights)
    if query.ids:
        return await _score(open_ids(group, weights, slots, query), job.detail)
    return await _score(open_plain(group, weights, slots, query.text), job.detail)


async def _prompt_weights(
    group: Group, weights: Sequence[float], query: Query
) -> tuple[float, ...]:
    """Return the weights of the members, as far as they follow from the whole query."""
    if group.prompt_weigh is None:
        return tuple(weights)
    ids = {n: prompt_tokens(group.slots[n], query, "") for n in group.running_slots(weights)}
    sequence = SequenceState.open(group, weights, ids)
    try:
        await set_prompt_weights(sequence, query)
        return sequence.weights
    finally:
        sequence.close()


def _rendered(
    group: Group, weights: Sequence[float], slots: Sequence[int], query: Query
) -> Passage:
    """Open a sequence after the first token of a rendered prompt."""
    if len({group.slots[slot].runner.model.vocabulary.fingerprint for slot in slots}) > 1:
        raise ModelError(
            "E305",
            "the rendered prompt has different tokens for members with different vocabularies",
            "ask for the prompt perplexity of each member alone",
        )
    first_slot = group.slots[slots[0]]
    first, *rest = first_slot.runner.model.render(query.messages, first_slot.chat)
    return Passage(SequenceState.open(group, weights, {slot: [first] for slot in slots}), rest)


async def _score(passage: Passage, detail: TokenDetail | None, *, end: bool = False) -> Score:
    """Score the entries of a passage, in chunks that fit in memory, and close its sequence."""
    sequence, entries = passage.sequence, passage.entries
    count = len(entries) + end
    chunk = min(256, max(8, _FLOATS // len(sequence.group.space)))
    logprobs: list[float] = []
    choices: list[TokenChoice] = []
    try:
        if detail is not None:
            sequence.group.demand_tokens(detail.ids)
        for start in range(0, count, chunk):
            sequence.extend(entries[start : start + chunk])
            if sequence.remaining_context < 0:
                raise ModelError("E703", "the text is longer than the context of a member")
            last = end and start + chunk >= count
            scored = await ScoreEntries(sequence, start, last, detail=detail)
            logprobs += scored.logprobs
            choices += scored.choices
    finally:
        sequence.close()
    names = [sequence.group.piece(entry).decode(errors="replace") for entry in entries]
    tokens = (*names, *("",) * end)
    return Score(tokens, tuple(logprobs), tuple(choices), passage.before)
