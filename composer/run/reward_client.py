"""Reward models that reward answers together: each is asked, and their rewards become one."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, replace
from statistics import fmean, pstdev
from typing import TYPE_CHECKING, NamedTuple, cast

from composer.data.preferences import preferences
from composer.diagnostics.errors import CodedError
from composer.methods.scorers.tournament import one_score
from composer.values import Client, ModelError, Query, Reward, Rewarded, Usage
from composer.values.gather import (
    MissingAnswer,
    TooFewError,
    attempts,
    side_by_side,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from composer.methods.scorers.tournament import Across
    from composer.run.span_context import ClientSource
    from composer.specs.rewards import RewardEnsemble
    from composer.values import Model

__all__ = ["RewardEnsembleClient"]


class Moments(NamedTuple):
    """The mean of a reward over known answers, and its standard deviation."""

    mean: float
    deviation: float


@dataclass(frozen=True)
class Columns:
    """The rewards [head][text] of one member, and what they took."""

    name: str
    heads: tuple[tuple[float, ...], ...]
    usage: Mapping[str, Usage]


class RewardEnsembleClient(Client):
    """Asks the members of a reward ensemble, each within its time limit."""

    tells_attempts = True

    def __init__(self, ensemble: RewardEnsemble, clients: ClientSource) -> None:
        self.ensemble, self._clients = ensemble, clients
        self._moments: dict[str, tuple[Moments, ...]] | None = None
        self._measuring = asyncio.Lock()

    async def load(self, model: Model) -> None:
        """Load the members."""
        for member in model.members:
            await (await self._clients.of(member)).load(member)

    async def reward(self, request: Reward) -> Rewarded:
        """Let every member reward the texts; return what its rewards come to.

        A text that a member gives no finite number has no reward: NaN. A member that gives none to
        any text counts as failed. Raises TooFewError (E716) where too many fail.
        """
        usage = await self._measured_once()
        columns, missing = await self._asked(request)
        for each in columns:
            usage = _summed(usage, each.usage)
        rows = zip(*(head for each in columns for head in self._standard(each)), strict=True)
        values = tuple(map(self._one, rows))
        return Rewarded(values, usage, failed=tuple(missing))

    def _one(self, rewards: Sequence[float]) -> float:
        if not all(map(math.isfinite, rewards)):
            return math.nan
        return one_score(rewards, cast("Across", self.ensemble.across), self.ensemble.c)

    async def _asked(self, request: Reward) -> tuple[list[Columns], list[MissingAnswer]]:
        """Return the rewards of the members that answer, and who does not."""
        members = list(zip(self.ensemble.names, self.ensemble.members, strict=True))
        work = [(name, self._member(name, member, request)) for name, member in members]
        try:
            results = await attempts(work, self.ensemble.min)
        except TooFewError as error:
            help_ = "lower the number of members that must answer: `rewards(..., min = 1)`"
            raise ModelError(error.code, f"`rewards`: {error.message}", help_) from error
        columns = [each for each in results if isinstance(each, Columns)]
        return columns, [each for each in results if isinstance(each, MissingAnswer)]

    async def _member(self, name: str, member: Model, request: Reward) -> Columns:
        client = await self._clients.of(member)
        async with self._clients.within(member):
            rewarded = await client.reward(replace(request, model=member))
        heads = tuple(zip(*rewarded.heads, strict=True)) or (rewarded.values,)
        if request.texts and not any(map(math.isfinite, (one for head in heads for one in head))):
            raise ModelError("E704", f"`{name}` gave no finite reward")
        return Columns(name, heads, rewarded.usage)

    async def _measured_once(self) -> dict[str, Usage]:
        """Measure the rewards of known answers before the first request; return what it took."""
        async with self._measuring:
            if self._moments is not None or self.ensemble.standardize is None:
                return {}
            rewards, usage = await self._of_known(self.ensemble.standardize)
            moments = {}
            for name, heads in rewards.items():
                moments[name] = tuple(_moments(name, head) for head in heads)
            self._moments = moments
            return usage

    async def _of_known(self, file: str) -> tuple[dict[str, list[list[float]]], dict[str, Usage]]:
        """Return each member's finite rewards [head][answer] of the answers of a file."""
        try:
            pairs = await asyncio.to_thread(preferences, file)
        except CodedError as error:
            raise ModelError(error.code, error.message, error.help) from error
        work = (
            self._asked(Reward(self.ensemble, Query.of(query), (chosen, rejected)))
            for query, chosen, rejected in pairs
        )
        rewards: dict[str, list[list[float]]] = {}
        usage: dict[str, Usage] = {}
        for columns, _ in await side_by_side(work):
            for each in columns:
                known = rewards.setdefault(each.name, [[] for _ in each.heads])
                for kept, head in zip(known, each.heads, strict=True):
                    kept.extend(filter(math.isfinite, head))
                usage = _summed(usage, each.usage)
        return rewards, usage

    def _standard(self, columns: Columns) -> Iterable[Sequence[float]]:
        """Return a member's rewards, standardized if the ensemble says so."""
        if self._moments is None:
            return columns.heads
        if columns.name not in self._moments:
            raise ModelError("E704", f"`{columns.name}` rewarded none of the known answers")
        pairs = zip(columns.heads, self._moments[columns.name], strict=True)
        return [[(one - m.mean) / m.deviation for one in head] for head, m in pairs]


def _moments(name: str, rewards: Sequence[float]) -> Moments:
    """Return the moments of a member's rewards; raises ModelError where all are equal."""
    deviation = pstdev(rewards) if rewards else 0.0
    if deviation == 0:
        text = f"`{name}` gives all answers of `standardize` the same reward"
        raise ModelError("E704", text, "give a file with other answers")
    return Moments(fmean(rewards), deviation)


def _summed(one: Mapping[str, Usage], other: Mapping[str, Usage]) -> dict[str, Usage]:
    names = dict.fromkeys((*one, *other))
    return {name: one.get(name, Usage()) + other.get(name, Usage()) for name in names}
