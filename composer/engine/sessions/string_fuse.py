"""String fusion: strings are drawn by a mean of what the members give to whole strings.

f-ensembles, arXiv:2603.05432. Token fusion normalizes at every step; the target here is over
strings, and particles remove what that changes (`prefixes.particles`). Members are asked for the
probabilities of beginnings of the text, whatever their tokens are (`prefixes.view`).
"""

from __future__ import annotations

import math
import random
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, cast

from composer.engine.generation import GenerationState
from composer.engine.sessions.prefixes.members import (
    ByteWriter,
    PrefixMembers,
    finish_of,
)
from composer.engine.sessions.prefixes.particles import (
    ParticleFilter,
    effective_size,
    normalized,
)
from composer.values.beginnings import common_length
from composer.values.results import STRINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from composer.engine.group import Group
    from composer.engine.sessions.prefixes.joint import JointPrefix
    from composer.engine.sessions.prefixes.particles import Particle
    from composer.engine.sessions.prefixes.string_mean import StringMean
    from composer.specs import StringFuse
    from composer.values.requests import Generate, Sampling
    from composer.values.results import Completion

__all__ = ["string_fuse"]

_TOLD = 10  # strings that the facts of an answer list


async def string_fuse(
    fuse: StringFuse, groups: Sequence[Group], job: Generate, on_text: Callable[[str], None] | None
) -> Completion:
    """Draw strings side by side, and answer with the likeliest one, or with one that is drawn.

    At a temperature of 0 the members draw as at 1, and the string with the largest weight is the
    answer. Otherwise the members draw with the sampling options that are given, and the answer is
    drawn by the weights.
    """
    members = PrefixMembers(fuse, groups, job, fuse.beam, fuse.prune)
    try:
        places = await members.open(cast("StringMean", fuse.f).logs)
        rng = random.Random(job.sampling.seed)  # noqa: S311  # not for secrets
        ends = partial(finish_of, sampling=job.sampling)
        particles = ParticleFilter(places, ends, rng, fuse.resample, members.steps.step)
        writer = ByteWriter(GenerationState.of(job, on_text))
        await particles.begin(fuse.particles)
        while particles.growing:
            await particles.step()
            first = particles.particles[0]
            certain = common_length([each.text for each in particles.particles])
            writer.write(first.text, first.steps, certain)
        return members.told(_answer(particles, writer, job.sampling))
    finally:
        members.close()


def _answer(
    particles: ParticleFilter[JointPrefix], writer: ByteWriter, sampling: Sampling
) -> Completion:
    """Choose the answer, and tell of all strings."""
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
    if sampling.temperature > 0:
        (key,) = particles.random.choices(ranked, [shares[each] for each in ranked])
    best = firsts[key]
    facts = {
        STRINGS: [
            {"text": each[0].decode(errors="replace"), "share": shares[each]}
            for each in ranked[:_TOLD]
        ],
        "effective_particles": effective_size(weights),
        "resamplings": particles.resamplings,
    }
    made = writer.close(best.text, best.steps, best.finish, ended=best.ended)
    return replace(made, confidence=shares[key], facts=facts)
