"""The forward passes that a span fuse cannot do without, by transformers' own cache.

Of each member: its own tokens one by one, whether they are kept or not, and one pass over each
candidate of the others. The `prefilled` way reads prompt and answer anew for each of these, as
published code does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from transformers import DynamicCache

from composer.engine.rows.forward_arguments import cache_name
from composer.engine.rows.output_layer import head_of, projecting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.engine.weights.local import LocalModel
    from composer.values import Completion


@dataclass(frozen=True)
class Work:
    """What one member does in one round for some rows side by side.

    `passes` are those in which it draws a token a row, `candidates` the lengths of those of the
    others, `kept` that of the span that was kept, `own` whether it is the member's own.
    """

    rows: int
    passes: int
    candidates: tuple[int, ...]
    kept: int
    own: bool


def works(
    answers: Sequence[Completion],
    name: str,
    model: LocalModel,
    *,
    looks_ahead: bool,
    static: bool = False,
) -> list[Work]:
    """Return what a member did in each round of some answers that were written side by side.

    Passes are full, as no program can make them that does not know the answers; or, where `static`,
    those of a batch in which each round takes as long as its longest row.
    """
    rounds = max(len(answer.spans) for answer in answers)
    alone = [_works_of_one(answer, name, model, looks_ahead=looks_ahead) for answer in answers]
    join = _static if static else _full
    return [join([each[n] for each in alone if n < len(each)]) for n in range(rounds)]


def _works_of_one(
    answer: Completion, name: str, model: LocalModel, *, looks_ahead: bool
) -> list[Work]:
    found: list[Work] = []
    ahead = False  # a token that was drawn to see the end of a span is the first of the next one
    for span in answer.spans:
        size = {text: _size(model, text) for text in span.candidates.values()}
        text = span.candidates[name]
        passes = size[text] + looks_ahead - ahead
        others = tuple(n for other, n in size.items() if other != text)
        ahead = looks_ahead and span.text == text
        found.append(Work(1, passes, others, size[span.text], span.text == text))
    return found


def _size(model: LocalModel, text: str) -> int:
    return max(1, len(model.vocabulary.extend(text.encode())))


def _static(alone: Sequence[Work]) -> Work:
    """Let rows share passes as a static batch does: the longest row says how many there are."""
    most = max(len(each.candidates) for each in alone)
    columns = [[n for each in alone for n in each.candidates[at : at + 1]] for at in range(most)]
    return replace(
        _full(alone),
        passes=max(each.passes for each in alone),
        candidates=tuple(map(max, columns)),
    )


def _full(alone: Sequence[Work]) -> Work:
    """Let rows share passes: as many as there are tokens for all rows at once."""
    rows = len(alone)
    most = max(len(each.candidates) for each in alone)
    columns = [[n for each in alone for n in each.candidates[at : at + 1]] for at in range(most)]
    return Work(
        rows,
        -(-sum(each.passes for each in alone) // rows),
        tuple(-(-sum(own) // rows) for own in columns),
        -(-sum(each.kept for each in alone) // rows),
        2 * sum(each.own for each in alone) > rows,
    )


class Bare:
    """A model with a cache of transformers, cut back after each pass that is not kept."""

    def __init__(self, model: LocalModel) -> None:
        self._module, self._name = model.module, cache_name(model.module)
        self._config = model.config
        self.cache = DynamicCache(config=model.config)

    def empty(self) -> None:
        """Forget all."""
        self.cache = DynamicCache(config=self._config)

    def cut(self, length: int) -> None:
        """Forget what lies beyond a length."""
        beyond = self.cache.get_seq_length() - length
        if beyond > 0:
            self.cache.crop(-beyond)

    def read(self, rows: int, count: int, *, keep: int) -> None:
        """Read `count` tokens a row, with logits after the last `keep` of them."""
        ids = torch.ones(rows, count, dtype=torch.long)
        self._module(ids, use_cache=True, logits_to_keep=keep, **{self._name: self.cache})


@torch.inference_mode()
def cached(model: LocalModel, prompt: int, rounds: Sequence[Work]) -> None:
    """Run the passes of one member, its cache kept from round to round."""
    bare = Bare(model)
    bare.read(rounds[0].rows, prompt - 1, keep=1)
    length = prompt - 1
    for work in rounds:
        jobs = [*([n] for n in work.candidates), [1] * work.passes]
        if not work.own and work.candidates:
            jobs.reverse()  # what is kept comes last
        for job in jobs:
            bare.cut(length)
            for count in job:
                bare.read(rounds[0].rows, count, keep=count)
        length += work.kept
        bare.cut(length)


@torch.inference_mode()
def prefilled(model: LocalModel, prompt: int, rounds: Sequence[Work]) -> None:
    """Run the passes of one member, which reads all anew for each span and each candidate."""
    bare, length = Bare(model), prompt
    for work in rounds:
        bare.empty()
        bare.read(work.rows, length, keep=1)
        for _ in range(work.passes - 1):
            bare.read(work.rows, 1, keep=1)
        for count in work.candidates:
            bare.empty()
            bare.read(work.rows, length - 1 + count, keep=count)
        length += work.kept


@torch.inference_mode()
def cached_with_our_output(model: LocalModel, prompt: int, rounds: Sequence[Work]) -> None:
    """Run the same passes, their output layer computed as our engine does."""
    with projecting(head_of(model.module)):
        cached(model, prompt, rounds)
