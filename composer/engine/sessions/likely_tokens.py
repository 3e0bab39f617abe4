"""The distribution of a model or a fuse at each token of a given text: its likeliest tokens there.

Students are trained on these.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from composer.engine.requests.read_logits import ReadLogits
from composer.engine.sequence import SequenceState, prompt_tokens
from composer.engine.sessions.passages import Passage, encoded, open_plain
from composer.engine.sessions.prompt_weights import set_prompt_weights
from composer.engine.top_tokens import END, NONE, TopTokens
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from composer.engine.distribution import Distributions
    from composer.engine.group import Group
    from composer.values.flow import Model, Query

__all__ = ["Document", "Reading", "likely_tokens"]

_FLOATS = 1 << 22  # of one text at the same time: places times vocabulary


@dataclass(frozen=True, slots=True)
class Document:
    """A text behind a query, or alone; with an `end` it ends there, else it may go on."""

    query: Query | None
    text: str
    end: bool


@dataclass(frozen=True, eq=False, slots=True)
class Reading:
    """A model's reading of a text: the bytes of its tokens, their entries, and distributions.

    The first `before` tokens have no distribution, since nothing stands before them. With an end
    there is one more place than tokens.
    """

    pieces: tuple[bytes, ...]
    entries: tuple[int, ...]
    before: int
    distributions: TopTokens


async def likely_tokens(
    group: Group, model: Model, document: Document, top: int, temperature: float
) -> Reading:
    """Read a document; give the `top` likeliest entries before each of its tokens, and its end.

    Raises ModelError as scoring does.
    """
    passage = await _open(group, model, document.query, document.text)
    sequence = passage.sequence
    try:
        sequence.extend(passage.entries)
        if sequence.remaining_context < 0:
            raise ModelError("E703", "the text is longer than the context of a member")
        targets = [*passage.entries, *[END] * document.end]
        distributions = await _distributions(sequence, targets, top, temperature)
    finally:
        sequence.close()
    before = [token.piece for token in passage.before]
    pieces = (*before, *map(group.piece, passage.entries))
    entries = (*[NONE] * len(before), *passage.entries)
    return Reading(pieces, entries, len(before), distributions)


async def _open(group: Group, model: Model, query: Query | None, text: str) -> Passage:
    weights = group.weights(model)
    slots = group.running_slots(weights)
    if query is None:
        return open_plain(group, weights, slots, text)
    ids = {slot: prompt_tokens(group.slots[slot], query, "") for slot in slots}
    sequence = SequenceState.open(group, weights, ids)
    try:
        await set_prompt_weights(sequence, query)
        return Passage(sequence, sequence.encode(encoded(text)))
    except BaseException:
        sequence.close()
        raise


async def _distributions(
    sequence: SequenceState, targets: Sequence[int], top: int, temperature: float
) -> TopTokens:
    group, parts = sequence.group, []
    at = {slot: [*s.entry_starts, len(s.ids)] for slot, s in sequence.states.items()}
    chunk = max(8, _FLOATS // len(group.space))
    for start in range(0, len(targets), chunk):
        part = slice(start, min(start + chunk, len(targets)))
        by_slot = await ReadLogits(sequence, {slot: places[part] for slot, places in at.items()})
        logits = [by_slot.get(slot) for slot in range(len(group.slots))]
        rows = part.stop - part.start
        fused = group.fuse(logits, [sequence.weights] * rows)
        parts.append(_cut(group, fused, targets[part], top, temperature))
    return TopTokens.join(parts)


def _cut(
    group: Group, fused: Distributions, targets: Sequence[int], top: int, temperature: float
) -> TopTokens:
    """Cut distributions [place] off behind their likeliest entries; all ends are END."""
    rows = torch.arange(len(targets), device=group.device)
    ends = sorted(group.space.ends)
    wanted = torch.tensor(targets, device=group.device)
    nats = -torch.where(
        wanted == END,
        fused.logprob_of_any(rows, ends),
        fused.logprobs_of(rows, wanted.clamp(min=0)),
    )
    shares = (fused.log_scores() / temperature).softmax(-1)
    best = shares.topk(min(top, shares.shape[1]))
    entries = fused.entries_at(rows[:, None], best.indices)
    is_end = torch.isin(entries, torch.tensor(ends, dtype=entries.dtype, device=group.device))
    entries = entries.masked_fill(is_end, END)
    rest = (1 - best.values.sum(-1)).clamp(min=0)
    return TopTokens(*_on_host(entries, best.values, rest, nats, top))


def _on_host(
    entries: Tensor, shares: Tensor, rest: Tensor, nats: Tensor, top: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Bring all to the host, with `top` columns each."""
    more = (0, top - entries.shape[1])
    pad = torch.nn.functional.pad
    wide = pad(entries.int(), more, value=NONE), pad(shares, more)
    return (*(each.cpu() for each in wide), rest.float().cpu(), nats.float().cpu())  # type: ignore[return-value]
