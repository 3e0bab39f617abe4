"""The policy of cascade routing: which stages are worth asking, by the best answer expected."""

from __future__ import annotations

import math
from itertools import combinations
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from composer.heavy import np
from composer.methods.policies.base import Costed, Weights, best, costs, only, without_nan

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Sequence

    from composer.methods.estimators.values import Choice, Estimates, Floats

_POINTS = 200


class ExpectedBest(Costed):
    """The stages whose expected best answer, minus `cost` x dollars, is greatest (cascade routing).

    Each set of stages that has all answers so far is worth the expected quality of its best answer
    minus `cost` x the dollars of what must still be asked. Of the best set, the cheapest stage that
    has not answered is asked; if all have, the best answer is taken. An estimator that learns
    nothing from answers makes it a router, as `one`. `order = "written"` asks stages in their
    order only, as a cascade does, and with `most = 1` one stage is asked, as in a route.
    """

    name: ClassVar[str] = "expected_best"
    paper: ClassVar[str] = "arXiv:2410.10347"
    tunable: ClassVar[str] = "cost"

    order: Literal["any", "written"] = "any"
    most: int | None = Field(default=None, ge=1)

    def weigh(
        self, estimates: Estimates, choices: tuple[Choice, ...], rng: random.Random
    ) -> Weights:
        """Return 1 for the stage to ask, or for the answer to take."""
        del rng
        quality = without_nan(estimates.quality)
        dollars = costs(estimates, choices) if self.needs_costs else (0.0,) * len(choices)
        live = [at for at, each in enumerate(quality) if each > -math.inf]
        answered = [at for at in live if at in estimates.answered]
        wanted = [at for at in live if at not in estimates.answered]
        worth = {
            more: self._worth(estimates, quality, (*answered, *more))
            - self.cost * math.fsum(dollars[at] for at in more)
            for more in self._sets(wanted, len(estimates.answered), estimates)
            if answered or more
        }
        if not worth:
            return only(best(quality), len(choices))
        more = max(worth, key=lambda each: (worth[each], -len(each)))
        if more:
            first = more[0] if self.order == "written" else min(more, key=dollars.__getitem__)
            return only(first, len(choices))
        return only(max(answered, key=quality.__getitem__), len(choices))

    def settings(self, quality: Floats, dollars: Floats) -> Floats:
        """Return prices from one at which no stage is too dear to one at which each is."""
        del quality
        known = dollars[np.isfinite(dollars) & (dollars > 0)]
        if not len(known):
            return np.array([0.0])
        return np.append(0.0, np.geomspace(1e-4 / known.max(), 1 / known.min(), _POINTS))

    def _sets(
        self, wanted: Sequence[int], answered: int, estimates: Estimates
    ) -> Iterator[tuple[int, ...]]:
        """Yield the sets of stages that may still be asked, the empty one first."""
        room = len(wanted) if self.most is None else max(0, self.most - answered)
        if not estimates.expected_best:  # one answer more says nothing of the others
            room = min(room, 1) if self.order == "any" else room
        for size in range(min(room, len(wanted)) + 1):
            if self.order == "written":
                yield tuple(wanted[:size])
            else:
                yield from combinations(wanted, size)

    def _worth(
        self, estimates: Estimates, quality: Sequence[float], members: tuple[int, ...]
    ) -> float:
        """Return the expected quality of the best answer of some stages."""
        now = max(quality[at] for at in members)
        return estimates.expected_best.get(frozenset(members), now)
