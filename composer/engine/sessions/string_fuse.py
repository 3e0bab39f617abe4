"""String fusion: strings are drawn by a mean of what the members give to whole strings.

f-ensembles, arXiv:2603.05432. Token fusion normalizes at every step; the target here is over
strings, and particles remove what that changes (`prefixes.particles`). Members are asked for the
probabilities of beginnings of the text, whatever their tokens are (`prefixes.view`).
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from composer.engine.generation import GenerationState
from composer.engine.sessions.base import usage_by_member
from composer.engine.sessions.generate import open_sequence
from composer.engine.sessions.prefixes.joint import JointPrefix, JointView
from composer.engine.sessions.prefixes.particles import (
    Particle,
    ParticleFilter,
    effective_size,
    normalized,
)
from composer.engine.sessions.prefixes.view import PrefixView
from composer.engine.sessions.prompt_weights import set_prompt_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from composer.engine.group import Group
    from composer.engine.sessions.prefixes.string_mean import StringMean
    from composer.specs import StringFuse
    from composer.specs.fuses import WeightedFuse
    from composer.values.requests import Generate, Sampling
    from composer.values.results import Completion, Finish

__all__ = ["member_views", "string_fuse"]

_TOLD = 10  # strings that the facts of an answer list


async def string_fuse(
    fuse: StringFuse, groups: Sequence[Group], job: Generate, on_text: Callable[[str], None] | None
) -> Completion:
    """Draw strings side by side, and answer with the likeliest one, or with one that is drawn.

    At a temperature of 0 the members draw as at 1, and the string with the largest weight is the
    answer. Otherwise the members draw with the sampling options that are given, and the answer is
    drawn by the weights.
    """
    own = replace(job.sampling, temperature=job.sampling.temperature or 1.0)
    views = await member_views(fuse, groups, replace(job, sampling=own), fuse.beam, fuse.prune)
    try:
        weights = [weight for weight in fuse.normalized_weights() if weight]
        places = JointView(list(views.values()), cast("StringMean", fuse.f), weights)
        rng = random.Random(job.sampling.seed)  # noqa: S311  # not for secrets
        strings = _Strings(job.sampling, GenerationState.of(job, on_text))
        filter_ = ParticleFilter(places, strings.finish, rng, fuse.resample)
        await filter_.begin(fuse.particles)
        while filter_.growing:
            await filter_.step()
            strings.show(filter_.particles)
        completion = strings.completion(filter_)
        usage = usage_by_member(
            (name, group, views[name].usage())
            for name, group in zip(fuse.names, groups, strict=True)
            if name in views
        )
        dropped = {name: why for view in places.views for name, why in view.dropped.items()}
        return replace(completion, usage=usage, left=dropped)
    finally:
        for view in views.values():
            view.close()


async def member_views(
    fuse: WeightedFuse, groups: Sequence[Group], job: Generate, beam: int, prune: float
) -> dict[str, PrefixView]:
    """Open the views of a fuse's members with a weight, by their names; the caller closes them."""
    views: dict[str, PrefixView] = {}
    try:
        for name, weight, group, model in zip(
            fuse.names, fuse.normalized_weights(), groups, fuse.members, strict=True
        ):
            if weight:
                sequence = open_sequence(group, job, group.weights(model))
                views[name] = PrefixView(sequence, job.sampling, beam, prune)
                await set_prompt_weights(sequence, job.query)
    except BaseException:
        for view in views.values():
            view.close()
        raise
    return views


@dataclass(eq=False)
class _Strings:
    """The strings that are drawn, as an answer: what ends them, what is certain, which one wins."""

    sampling: Sampling
    answer: GenerationState
    shown: int = 0

    def finish(self, place: JointPrefix) -> Finish | None:
        """Say why a text has to end: a stop string, as many bytes as tokens are allowed, room."""
        text, how = place.text, self.sampling
        stops = (stop.encode() for stop in how.stop if stop)
        if len(text) > how.min_tokens and any(text.endswith(stop) for stop in stops):
            return "stop"
        if len(text) >= how.max_tokens:
            return "length"
        return "context" if place.is_full else None

    def show(self, particles: Sequence[Particle[JointPrefix]]) -> None:
        """Write the text with which all particles begin; it cannot change any more."""
        texts = [each.text for each in particles]
        first, last = min(texts), max(texts)
        unlike = (n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b)
        self._write(particles[0], next(unlike, len(first)))

    def completion(self, particles: ParticleFilter[JointPrefix]) -> Completion:
        """Choose the answer, write the rest of it, and tell of the other strings."""
        weights = [each.weight for each in particles.particles]
        parts: dict[tuple[bytes, str], list[float]] = {}
        firsts: dict[tuple[bytes, str], Particle[JointPrefix]] = {}
        for particle, share in zip(particles.particles, normalized(weights), strict=True):
            key = particle.text, "" if particle.ended else str(particle.finish)
            parts.setdefault(key, []).append(share)
            firsts.setdefault(key, particle)
        shares = {key: math.fsum(own) for key, own in parts.items()}
        ranked = sorted(shares, key=lambda key: -shares[key])
        key = ranked[0]
        if self.sampling.temperature > 0:
            (key,) = particles.random.choices(ranked, [shares[each] for each in ranked])
        self._write(firsts[key], len(key[0]))
        if firsts[key].ended:
            self.answer.add(b"", firsts[key].logprobs[-1], ends=True)
        self.answer.finish = firsts[key].finish
        facts = {
            "strings": [
                {"text": each[0].decode(errors="replace"), "share": shares[each]}
                for each in ranked[:_TOLD]
            ],
            "effective_particles": effective_size(weights),
            "resamplings": particles.resamplings,
        }
        return replace(self.answer.close({}), confidence=shares[key], facts=facts)

    def _write(self, particle: Particle[JointPrefix], end: int) -> None:
        """Write a particle's text up to a place."""
        for place in range(self.shown, end):
            self.answer.add(particle.text[place : place + 1], particle.logprobs[place])
        self.shown = max(self.shown, end)
