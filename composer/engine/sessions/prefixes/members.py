"""The members of a fuse as views of bytes, and what ends a text that they write."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from composer.engine.sessions.base import usage_by_member
from composer.engine.sessions.generate import open_sequence
from composer.engine.sessions.prefixes.byte_steps import ByteSteps
from composer.engine.sessions.prefixes.joint import JointView
from composer.engine.sessions.prefixes.view import PrefixView
from composer.engine.sessions.prompt_weights import set_prompt_weights

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.engine.generation import GenerationState
    from composer.engine.group import Group
    from composer.engine.sessions.prefixes.byte_steps import ByteStep
    from composer.engine.sessions.prefixes.joint import JointPrefix, Mean
    from composer.specs.fuses import WeightedFuse
    from composer.values.requests import Generate, Sampling
    from composer.values.results import Completion, Finish

__all__ = ["ByteWriter", "PrefixMembers", "finish_of"]


class PrefixMembers:
    """The members of a fuse with a weight; `close` frees what they hold.

    Each follows a text in its `beam` likeliest tokenizations, without those that have less than
    `prune` of the probability. At a temperature of 0 members draw as at 1.
    """

    def __init__(
        self, fuse: WeightedFuse, groups: Sequence[Group], job: Generate, beam: int, prune: float
    ) -> None:
        sampling = job.sampling
        own = replace(sampling, temperature=sampling.temperature or 1.0)
        self._job = replace(job, sampling=own)
        self._members = [
            member
            for member in zip(
                fuse.names, fuse.normalized_weights(), groups, fuse.members, strict=True
            )
            if member[1]
        ]
        self._beam, self._prune = beam, prune
        self.views: list[PrefixView] = []

    async def open(self, mean: Mean) -> JointView:
        """Open the members' sequences after their prompts."""
        for _, _, group, model in self._members:
            sequence = open_sequence(group, self._job, group.weights(model))
            self.views.append(PrefixView(sequence, self._job.sampling, self._beam, self._prune))
            await set_prompt_weights(sequence, self._job.query)
        return JointView(self.views, mean, self._weights)

    @property
    def steps(self) -> ByteSteps:
        """Make the steps of texts, with the details that the job wants."""
        return ByteSteps([name for name, *_ in self._members], self._weights, self._job.detail)

    def told(self, completion: Completion) -> Completion:
        """Return a completion with what it took, and the models that were dropped."""
        members = list(zip(self._members, self.views, strict=True))
        usage = usage_by_member(
            (name, group, view.usage()) for (name, _, group, _), view in members
        )
        dropped = {name: why for view in self.views for name, why in view.dropped.items()}
        return replace(completion, usage=usage, left=dropped)

    @property
    def _weights(self) -> list[float]:
        return [weight for _, weight, _, _ in self._members]

    def close(self) -> None:
        """Free all cache rows."""
        for view in self.views:
            view.close()


@dataclass(eq=False, slots=True)
class ByteWriter:
    """Writes an answer byte by byte, as soon as bytes are certain."""

    answer: GenerationState
    written: int = 0

    def write(self, text: bytes, steps: Sequence[ByteStep], end: int) -> None:
        """Write a text up to a place; what is written already must be its beginning."""
        for n in range(self.written, end):
            self.answer.add(text[n : n + 1], steps[n].logprob, choice=steps[n].choice)
        self.written = max(self.written, end)

    def close(
        self, text: bytes, steps: Sequence[ByteStep], finish: Finish | None, *, ended: bool
    ) -> Completion:
        """Write the rest of a text, and its end if the members `ended` it."""
        self.write(text, steps, len(text))
        if ended:
            self.answer.add(b"", steps[-1].logprob, ends=True, choice=steps[-1].choice)
        self.answer.finish = finish
        return self.answer.close({})


def finish_of(place: JointPrefix, sampling: Sampling) -> Finish | None:
    """Say why a text has to end: a stop string, as many bytes as tokens are allowed, no room."""
    text = place.text
    stops = (stop.encode() for stop in sampling.stop if stop)
    if len(text) > sampling.min_tokens and any(text.endswith(stop) for stop in stops):
        return "stop"
    if len(text) >= sampling.max_tokens:
        return "length"
    return "context" if place.is_full else None
