"""Logits processors: penalties, biases and minimum lengths, applied to one model's logits.

They change a model's own logits, over its own tokens, before fusing, gating and drawing, as
transformers' `generate` does. So a member of a fuse behaves as it does alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from composer.checkpoints.biases import biased
from composer.heavy import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from torch import Tensor

    from composer.engine.weights.tokens import TokenModel
    from composer.values.processing import Processing

    Sequences = Iterable[tuple[Sequence[int], float]]

    Process = Callable[[Tensor, "LogitContext"], None]
    """Changes the logits [token] of one position, in place."""

__all__ = ["LogitContext", "Raised", "processor"]


@dataclass(frozen=True, slots=True)
class LogitContext:
    """The tokens before some logits: `ids`, of which the answer's begin at `answer_start`.

    `answer_length` is how many tokens the answer has; in a fuse they may be other tokens than the
    model's own.
    """

    ids: Sequence[int]
    answer_start: int
    answer_length: int


@dataclass(frozen=True, slots=True)
class Raised:
    """What options make likelier: some `tokens`, and those of the answer if they are `repeated`."""

    tokens: frozenset[int]
    repeated: bool

    @classmethod
    def of(cls, model: TokenModel, what: Processing) -> Self:
        """Return what some options make likelier for a model."""
        bias = biased(model.vocabulary.pieces[: model.width], what.logit_bias or (), model.name)
        longer = [(ids[-1], by) for ids, by in what.sequence_bias or ()]
        tokens = {token for token, by in [*bias, *longer] if by > 0 and token < model.width}
        penalties = what.frequency_penalty or 0.0, what.presence_penalty or 0.0
        return cls(frozenset(tokens), min(penalties) < 0)

    def among(self, answer: Sequence[int]) -> frozenset[int]:
        """The tokens that are likelier behind the beginning of an answer."""
        return self.tokens.union(answer) if self.repeated else self.tokens


def processor(model: TokenModel, what: Processing) -> Process | None:
    """Return the processor of a model's logits for some options; None if they change nothing."""
    steps = [step for step in _steps(model, what) if step is not None]
    if not steps:
        return None

    def process(row: Tensor, at: LogitContext) -> None:
        for step in steps:
            step(row, at)

    return process


def _steps(model: TokenModel, what: Processing) -> Iterable[Process | None]:
    """The processors in the order of vLLM and transformers; None for those that change nothing."""
    ends = sorted(end for end in model.ends if end < model.width)
    bias = biased(model.vocabulary.pieces[: model.width], what.logit_bias or (), model.name)
    yield _added([((token,), by) for token, by in bias], model)
    yield _added(what.sequence_bias or (), model)
    yield _repetition(what.repetition_penalty)
    yield _counted(what.frequency_penalty or 0.0, what.presence_penalty or 0.0)
    yield _ngrams(what.no_repeat_ngram_size or 0)
    words = [word for word in what.bad_words_ids or () if list(word) not in [[e] for e in ends]]
    yield _added([(word, -torch.inf) for word in words], model)
    yield _ruled_out(ends, what.min_length, lambda at: len(at.ids))
    yield _ruled_out(ends, what.min_tokens, lambda at: at.answer_length)
    yield _ruled_out(what.suppress_tokens or (), 1, lambda _: 0)
    yield _ruled_out(what.begin_suppress_tokens or (), 1, lambda at: len(at.ids) - at.answer_start)


def _repetition(penalty: float | None) -> Process | None:
    """Divide the positive logits of tokens that occur before, and multiply negative ones."""
    if penalty in (None, 1.0):
        return None

    def process(row: Tensor, at: LogitContext) -> None:
        tokens = torch.tensor(at.ids, device=row.device)
        tokens = tokens[tokens < len(row)]
        logits = row[tokens]
        row[tokens] = torch.where(logits < 0, logits * penalty, logits / penalty)

    return process


def _counted(frequency: float, presence: float) -> Process | None:
    """Subtract `frequency` for each time a token occurs in the answer, and `presence` once."""
    if not frequency and not presence:
        return None

    def process(row: Tensor, at: LogitContext) -> None:
        written = torch.tensor(at.ids[at.answer_start :], dtype=torch.int64, device=row.device)
        times = written[written < len(row)].bincount(minlength=len(row))
        row -= frequency * times + presence * (times > 0)

    return process


def _ngrams(size: int) -> Process | None:
    """Rule out tokens that would repeat an n-gram of `size` tokens."""
    if not size:
        return None

    def process(row: Tensor, at: LogitContext) -> None:
        ids = list(at.ids)
        last = ids[len(ids) - size + 1 :]
        starts = range(len(ids) - size + 1)
        repeating = [ids[n + size - 1] for n in starts if ids[n : n + size - 1] == last]
        row[[token for token in repeating if token < len(row)]] = -torch.inf

    return process


def _added(sequences: Sequences, model: TokenModel) -> Process | None:
    """Add a bias to the last token of each sequence whose other tokens come right before."""
    biases = [(list(ids), by) for ids, by in sequences if all(i < model.width for i in ids)]
    if not biases:
        return None
    single = {ids[0]: by for ids, by in biases if len(ids) == 1}
    longer = [(ids[:-1], ids[-1], by) for ids, by in biases if len(ids) > 1]
    tokens = torch.tensor(list(single), dtype=torch.int64, device=model.device)
    values = torch.tensor(list(single.values()), device=model.device)

    def process(row: Tensor, at: LogitContext) -> None:
        row[tokens] += values
        for before, token, by in longer:
            if list(at.ids[-len(before) :]) == before:
                row[token] += by

    return process


def _ruled_out(
    tokens: Sequence[int], least: int | None, count: Callable[[LogitContext], int]
) -> Process | None:
    """Rule tokens out while a count is lower than `least`."""
    if not tokens or not least:
        return None

    def process(row: Tensor, at: LogitContext) -> None:
        if count(at) < least:
            row[[token for token in tokens if token < len(row)]] = -torch.inf

    return process
