"""Byte fusion by what members give to bytes: each sums over its tokenizations of a text.

The search of `byte_fuse` follows one tokenization of each member. Here the text grows byte by byte,
and a byte is as likely as the weighted geometric mean of the members' probabilities. At a
temperature of 0 the `beam` likeliest texts go on; otherwise each byte is drawn.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.engine.generation import GenerationState
from composer.engine.sessions.prefixes.members import (
    ByteWriter,
    PrefixMembers,
    finish_of,
)
from composer.engine.sessions.prefixes.view import END
from composer.heavy import np
from composer.values.beginnings import common_length
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from composer.engine.group import Group
    from composer.engine.sessions.prefixes.byte_steps import ByteStep, ByteSteps
    from composer.engine.sessions.prefixes.byte_trie import Floats
    from composer.engine.sessions.prefixes.joint import JointPrefix, JointView
    from composer.specs import ByteFuse
    from composer.values.requests import Generate, Sampling
    from composer.values.results import Completion, Finish

__all__ = ["search_bytes"]

_PRUNE = 0.05  # of the probability of a text: tokenizations with less are not followed


async def search_bytes(
    fuse: ByteFuse, groups: Sequence[Group], job: Generate, on_text: Callable[[str], None] | None
) -> Completion:
    """Write the text whose bytes the members find likeliest together, until they end it."""
    assert fuse.tokenizations is not None
    members = PrefixMembers(fuse, groups, job, fuse.tokenizations, _PRUNE)
    try:
        places = await members.open(_geometric)
        writer = ByteWriter(GenerationState.of(job, on_text))
        search = _Search(places, members.steps, fuse.beam, job.sampling, writer)
        return members.told(await search.run())
    finally:
        members.close()


@dataclass(frozen=True, eq=False, slots=True)
class _Hypothesis:
    """A text with the steps of its bytes; `finish` is None while it goes on."""

    place: JointPrefix
    steps: tuple[ByteStep, ...] = ()
    finish: Finish | None = None
    ended: bool = False

    @property
    def score(self) -> float:
        """The mean log-probability of a byte, and of the end."""
        return sum(step.logprob for step in self.steps) / max(len(self.steps), 1)


@dataclass(frozen=True, slots=True)
class _Way:
    """A hypothesis and the byte, or the end, that it goes on with."""

    hypothesis: _Hypothesis
    byte: int
    steps: tuple[ByteStep, ...]

    @property
    def score(self) -> float:
        """The score of the hypothesis after it."""
        return sum(step.logprob for step in self.steps) / len(self.steps)


class _Search:
    """A beam search over bytes; each finished text takes a place of the beam."""

    def __init__(
        self,
        places: JointView,
        steps: ByteSteps,
        beam: int,
        sampling: Sampling,
        writer: ByteWriter,
    ) -> None:
        self._places, self._steps, self._sampling = places, steps, sampling
        self._beam = 1 if sampling.temperature > 0 else beam
        self._random = random.Random(sampling.seed)  # noqa: S311  # not for secrets
        self._writer = writer

    async def run(self) -> Completion:
        """Search; return the likeliest finished text."""
        start = await self._places.start()
        hypotheses = [_Hypothesis(start, finish=finish_of(start, self._sampling))]
        while any(each.finish is None for each in hypotheses):
            hypotheses = await self._step(hypotheses)
            first, texts = hypotheses[0], [each.place.text for each in hypotheses]
            self._writer.write(first.place.text, first.steps, common_length(texts))
        best = max(hypotheses, key=lambda each: each.score)
        return self._writer.close(best.place.text, best.steps, best.finish, ended=best.ended)

    async def _step(self, hypotheses: Sequence[_Hypothesis]) -> list[_Hypothesis]:
        """Let each hypothesis go on in its likeliest ways, and keep the best of all."""
        finished = [each for each in hypotheses if each.finish is not None]
        active = [each for each in hypotheses if each.finish is None]
        ways = [way for each in active for way in self._ways(each)]
        if not ways and not finished:
            raise ModelError(
                "E705",
                "no text has a probability above zero under all members",
                "keep more tokenizations: raise `tokenizations`; or fuse spans: `span_fuse(...)`",
            )
        ways = sorted(ways, key=lambda way: -way.score)[: self._beam - len(finished)]
        ended = [way for way in ways if way.byte == END]
        going = [way for way in ways if way.byte != END]
        places = await self._places.extended([(way.hypothesis.place, way.byte) for way in going])
        self._places.retain(places)
        pairs = zip(places, going, strict=True)
        return [
            *finished,
            *(_Hypothesis(w.hypothesis.place, w.steps, "stop", ended=True) for w in ended),
            *(_Hypothesis(p, w.steps, finish_of(p, self._sampling)) for p, w in pairs),
        ]

    def _ways(self, hypothesis: _Hypothesis) -> Iterator[_Way]:
        """Yield the likeliest ways in which a hypothesis goes on, or one that is drawn."""
        place = hypothesis.place
        logs = place.following - place.value
        order = np.argsort(-logs, kind="stable")[: self._beam]
        if self._sampling.temperature > 0:
            order = order[:0] if logs.max() == -np.inf else np.array([self._drawn(logs)])
        for byte in order.tolist():
            if logs[byte] > -np.inf:
                step = self._steps.step(place, logs, byte)
                yield _Way(hypothesis, byte, (*hypothesis.steps, step))

    def _drawn(self, logs: Floats) -> int:
        sums = np.exp(logs - logs.max()).cumsum()
        return int(np.searchsorted(sums, self._random.random() * sums[-1], side="right"))


def _geometric(logprobs: Floats, weights: Sequence[float]) -> Floats:
    """The logarithms [text] of the weighted geometric mean of probabilities."""
    means: Floats = (np.array(weights)[:, None] * logprobs).sum(0)
    return means
