"""Sampling texts from a mean of several models' probabilities: sequential Monte Carlo over bytes.

The target is over whole strings: its probability is in proportion to the mean f(P_1(x), ...,
P_K(x)) of what the members give to the string x (arXiv:2603.05432). A particle is a text that
grows byte by byte. Its next byte b is drawn in proportion to f(x b), where f is applied to the
probabilities of beginning with x b. Its weight is multiplied by the sum of f(x b) over all b,
divided by f(x): what drawing byte by byte gets wrong. Where few particles have most of the weight,
they are drawn anew by their weights.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from composer.engine.sessions.prefixes.view import END
from composer.heavy import np
from composer.values.errors import ModelError

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterable, Sequence

    from composer.engine.sessions.prefixes.byte_steps import ByteStep
    from composer.engine.sessions.prefixes.byte_trie import Floats
    from composer.values.results import Finish

__all__ = ["Particle", "ParticleFilter", "effective_size", "normalized", "resampled"]


class Place(Protocol):
    """A text, the logarithm of its mean, and of the means for what may follow it [257]."""

    @property
    def text(self) -> bytes:
        """The text."""

    @property
    def value(self) -> float:
        """The logarithm of its mean."""

    @property
    def following(self) -> Floats:
        """The logarithms of the means of the text and one more byte, or the end."""


P = TypeVar("P", bound=Place)


class Places(Protocol[P]):
    """Where texts can be followed byte by byte."""

    async def start(self) -> P:
        """Return the empty text."""

    async def extended(self, moves: Sequence[tuple[P, int]]) -> list[P]:
        """Return each text with one more byte."""

    def retain(self, prefixes: Iterable[P]) -> None:
        """Forget all texts but some."""


@dataclass(eq=False, slots=True)
class Particle(Generic[P]):
    """A text that grows; `weight` is a logarithm, `steps` are those of its bytes.

    `finish` is None while the text grows; `ended` says that the members ended it.
    """

    place: P
    weight: float = 0.0
    steps: tuple[ByteStep, ...] = ()
    finish: Finish | None = None
    ended: bool = False

    @property
    def text(self) -> bytes:
        """The text so far."""
        return self.place.text


@dataclass(eq=False)
class ParticleFilter(Generic[P]):
    """Particles that grow together until all have finished.

    They are resampled where their effective number is below `threshold` times their number.
    `finishes` says why a text that goes on has to end, if it has to. `step_to` is told of each byte
    that is drawn: the text before it, the log-probabilities [257] of what may follow, and the byte.
    """

    places: Places[P]
    finishes: Callable[[P], Finish | None]
    random: random.Random
    threshold: float
    step_to: Callable[[P, Floats, int], ByteStep]
    particles: list[Particle[P]] = field(default_factory=list)
    resamplings: int = 0

    async def begin(self, count: int) -> None:
        """Put all particles at the empty text."""
        start = await self.places.start()
        self.particles = [Particle(start, finish=self.finishes(start)) for _ in range(count)]

    @property
    def growing(self) -> list[Particle[P]]:
        """The particles that have not finished."""
        return [each for each in self.particles if each.finish is None]

    @property
    def log_normalizer(self) -> float:
        """The logarithm of the estimated sum of the means of all strings."""
        weights = [each.weight for each in self.particles]
        return float(np.logaddexp.reduce(weights)) - math.log(len(weights))

    async def step(self) -> None:
        """Let all growing particles grow by one byte; raise E705 if none has a weight then."""
        for particle in self.growing:
            particle.weight += _total(particle.place) - particle.place.value
        self.particles = self._resampled()
        moves: dict[tuple[int, int], list[Particle[P]]] = {}
        for particle in self.growing:
            byte = self._draw(particle)
            if byte == END:
                particle.finish, particle.ended = "stop", True
            else:
                moves.setdefault((id(particle.place), byte), []).append(particle)
        pairs = [(group[0].place, byte) for (_, byte), group in moves.items()]
        for place, group in zip(await self.places.extended(pairs), moves.values(), strict=True):
            for particle in group:
                particle.place, particle.finish = place, self.finishes(place)
        self.places.retain([each.place for each in self.growing])

    def _draw(self, particle: Particle[P]) -> int:
        """Draw what follows a particle's text."""
        logprobs = particle.place.following - _total(particle.place)
        sums = np.exp(logprobs).cumsum()
        byte = int(np.searchsorted(sums, self.random.random() * sums[-1], side="right"))
        particle.steps += (self.step_to(particle.place, logprobs, byte),)
        return byte

    def _resampled(self) -> list[Particle[P]]:
        """Return the particles, drawn anew by their weights where that is due.

        The weight of the next byte is the same for every byte, so this comes before it is drawn.
        Particles of weight zero are always replaced.
        """
        weights = [each.weight for each in self.particles]
        if max(weights) == -math.inf:
            raise ModelError(
                "E705",
                "no text has a probability above zero under all members",
                "write `f = mean()`, or keep more tokenizations: raise `beam`, lower `prune`",
            )
        few = effective_size(weights) < self.threshold * len(weights)
        if not few and min(weights) > -math.inf:
            return self.particles
        self.resamplings += 1
        mean = self.log_normalizer
        chosen = resampled(normalized(weights), self.random.random())
        return [replace(self.particles[n], weight=mean) for n in chosen]


def _total(place: Place) -> float:
    """The logarithm of the sum of what may follow a text."""
    return float(np.logaddexp.reduce(place.following))


def normalized(weights: Sequence[float]) -> list[float]:
    """Return weights of the sum 1 for logarithms of weights."""
    most = max(weights)
    shares = [math.exp(weight - most) for weight in weights]
    total = math.fsum(shares)
    return [share / total for share in shares]


def effective_size(weights: Sequence[float]) -> float:
    """Return the effective number of particles, of the logarithms of their weights."""
    return 1 / math.fsum(share**2 for share in normalized(weights))


def resampled(shares: Sequence[float], uniform: float) -> list[int]:
    """Draw as many places as there are shares, by systematic resampling.

    A place of share s among n is drawn either floor(n s) or ceil(n s) times, n s in the mean.
    """
    count, sums = len(shares), list(accumulate(shares))
    points = [(n + uniform) / count * sums[-1] for n in range(count)]
    return [min(bisect_right(sums, point), count - 1) for point in points]
