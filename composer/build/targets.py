"""What a student is trained to: teachers' distributions on its own tokens, made into one."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from composer.engine.top_tokens import END, NONE, TopTokens, sum_top

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from composer.build.examples import Example
    from composer.build.teacher_outputs import TeacherOutputs
    from composer.engine.sessions.likely_tokens import Reading
    from composer.engine.space import Space
    from composer.methods.distillation.base import Blend, Match

__all__ = ["TokenAligner", "blend_target"]


@dataclass(frozen=True, eq=False)
class TokenAligner:
    """Brings the distributions of one teacher to the student's tokens.

    `table` [entry] has the student's token for each of the teacher's, -1 for none; it is None where
    both have one vocabulary. `end` is the student's end token.
    """

    match: Match
    table: Tensor | None
    space: Space
    end: int

    @classmethod
    def of(
        cls,
        match: Match,
        space: Space,
        end: int,
        outputs: TeacherOutputs,
        examples: Sequence[Example],
    ) -> TokenAligner:
        """Make one; a match that counts reads all documents first."""
        if outputs.space.key == space.key:
            return cls(match, None, space, end)
        pairs = _pairs(match, outputs, examples) if match.counts else Counter()
        return cls(match, match.vocabulary(space, outputs.space, pairs), space, end)

    def __call__(self, example: Example, reading: Reading) -> tuple[TopTokens, Tensor]:
        """Return distributions over the student's tokens, and where there is one [place]."""
        places = self._places(example, reading)
        present = places >= 0
        theirs = reading.distributions.at(places.clamp(min=0))
        ids, shares = self._own(theirs.ids.long(), theirs.probabilities)
        lost = theirs.probabilities.sum(-1) - shares.sum(-1)
        left = (1 - lost).clamp(min=1e-6)[:, None]
        present = present & (shares.sum(-1) > 0)
        return TopTokens(ids, shares / left, theirs.rest / left[:, 0], theirs.nats), present

    def _own(self, ids: Tensor, shares: Tensor) -> tuple[Tensor, Tensor]:
        """Write entries as tokens of the student; what has no counterpart is left out."""
        own = ids
        if self.table is not None:
            known = self.table[ids.clamp(min=0)]
            own = torch.where(ids >= 0, known.where(known >= 0, NONE), ids)
        own = own.where(own != END, self.end)
        return own, shares.masked_fill(own == NONE, 0.0)

    def _places(self, example: Example, reading: Reading) -> Tensor:
        """Return the teacher's place for each place of the student, -1 for none."""
        count = len(example.targets)
        skipped = example.before
        if example.pieces == reading.pieces and skipped >= reading.before:
            return torch.arange(count) + skipped - reading.before
        partners = self.match.places(example.pieces, reading.pieces)
        found = [self._behind(example, reading, partners, n + skipped - 1) for n in range(count)]
        places = torch.tensor(found)
        return places.where(places < len(reading.distributions), -1)

    def _behind(
        self, example: Example, reading: Reading, partners: Sequence[Sequence[int]], token: int
    ) -> int:
        """Return the teacher's place behind the token that goes with one of the student's."""
        if token < 0:
            return 0 if reading.before == 0 else -1
        for other in reversed(partners[token]):
            mapped = self._mapped(reading.entries[other])
            if self.match.accepts(example.pieces[token], reading.pieces[other], mapped):
                return max(other + 1 - reading.before, -1)
        return -1

    def _mapped(self, entry: int) -> bytes:
        token = -1 if self.table is None or entry < 0 else int(self.table[entry])
        return b"" if token < 0 else self.space.pieces[token] or b""


def blend_target(
    example: Example, distributions: Sequence[tuple[TopTokens, Tensor]], blend: Blend, top: int
) -> tuple[TopTokens, Tensor]:
    """Return the distributions of all teachers as one, and whether each place has one [place].

    Where no teacher has a distribution, the text itself is the target.
    """
    nats = torch.stack([each.nats for each, _ in distributions])
    shares = blend.shares(nats, torch.stack([present for _, present in distributions])).float()
    ids = torch.cat([each.ids for each, _ in distributions], -1)
    weighed = [
        s[:, None] * each.probabilities for s, (each, _) in zip(shares, distributions, strict=True)
    ]
    ids, probabilities = sum_top(ids, torch.cat(weighed, -1), top)
    covered = shares.sum(0) > 0
    labels = torch.tensor(example.targets)
    ids[~covered, 0] = labels[~covered]
    probabilities[~covered, 0] = 1.0
    rest = (1 - probabilities.sum(-1)).clamp(min=0)
    lost = (shares * nats).sum(0)
    return TopTokens(ids.int(), probabilities, rest, lost), covered


def _pairs(
    match: Match, outputs: TeacherOutputs, examples: Sequence[Example]
) -> Counter[tuple[int, int]]:
    """Count how often a token of the teacher goes with one of the student's."""
    counts: Counter[tuple[int, int]] = Counter()
    for number, example in enumerate(examples):
        reading, tokens = outputs[number], _tokens(example)
        for own, others in enumerate(match.places(example.pieces, reading.pieces)):
            counts.update((reading.entries[n], tokens[own]) for n in others)
    for pair in [pair for pair in counts if min(pair) < 0]:
        del counts[pair]
    return counts


def _tokens(example: Example) -> tuple[int, ...]:
    """Return the student's tokens of the pieces of a text."""
    before = example.prompt[len(example.prompt) - example.before :]
    return (*before, *example.targets)[: len(example.pieces)]
