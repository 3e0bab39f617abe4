"""Drawing from several members in turn: who draws next follows from how good the draws were."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from composer.methods import Agreement, Confident, Exact, PartError, Reader, Scorer
from composer.methods.scorers.basic import SCORE
from composer.steps.asking import Count, Share, Temperature
from composer.steps.declare import step
from composer.steps.site import Complaint
from composer.values import Asker, Candidates, MissingAnswer, Model, Query, Sampling, Text
from composer.values.capability import Capability
from composer.values.finite import descending, finite
from composer.values.flow import unique
from composer.values.gather import attempt, failure_notes, require_quorum, side_by_side

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from composer.steps.site import Site
    from composer.values import Port

_CLOSE = 1e-12


@dataclass(frozen=True, slots=True)
class Draw:
    """An answer of one member, with its score, None where there is none."""

    member: int
    text: Text
    score: float | None


@dataclass(eq=False)
class Draws:
    """The draws of one query: those that are chosen, and one of each member that is not yet."""

    query: Query
    members: Sequence[Model]
    by: Scorer
    how: Sampling
    read: Reader | None
    ask: Asker
    chosen: list[Draw] = field(default_factory=list)
    heads: dict[int, Draw] = field(default_factory=dict)
    failed: list[MissingAnswer] = field(default_factory=list)

    @property
    def all(self) -> list[Draw]:
        """The chosen ones in order, then the heads."""
        return [*self.chosen, *self.heads.values()]

    async def add(self, members: Sequence[int]) -> None:
        """Let members draw, each once; one that fails has no head any more."""
        names = unique(member.name for member in self.members)
        sampled, bits = self.how.temperature > 0, self.ask.rng.getrandbits
        seeds = [bits(62) if sampled else 0 for _ in members]
        drawn = await side_by_side(
            attempt(names[at], self._draw(at, seed))
            for at, seed in zip(members, seeds, strict=True)
        )
        for at, draw in zip(members, drawn, strict=True):
            if isinstance(draw, MissingAnswer):
                self.failed.append(replace(draw, at=at))
            else:
                self.heads[at] = draw

    async def _draw(self, at: int, seed: int) -> Draw:
        model = self.members[at]
        text = await self.ask.generate(model, self.query, replace(self.how, seed=seed))
        if self.read is not None:
            (value,) = await self.read.read_all([text], self.ask)
            text = replace(text, value=value, extracted=True)
        if text.answer is None:
            return Draw(at, text, None)
        judges = () if self.by.of_judges is None else tuple(self.members)
        alone = Candidates(self.query, (text,), (model.name,))
        (score,) = await self.by.score(alone, self.ask, judges)
        return Draw(at, text, finite(score))

    def choose(self, places: Sequence[int], values: Sequence[float]) -> int:
        """Choose one of the best heads, and return its member."""
        best = max(values)
        ties = [at for at, value in zip(places, values, strict=True) if value >= best - _CLOSE]
        member = self.ask.rng.choice(ties)
        self.chosen.append(self.heads.pop(member))
        return member


@step(paper="arXiv:2512.05542", needs=Capability.TEXT, hidden=("draw",), per_query=("temperature",))
async def draw_best(
    query: Query,
    *members: Model,
    by: Scorer = Confident(),
    n: Count = 16,
    agree: Annotated[float, Field(ge=0, le=1)] = 0.3,
    sharpness: Annotated[float, Field(gt=0)] = 1e5,
    read: Reader | None = None,
    same: Agreement = Exact(),
    temperature: Temperature = 0.7,
    top_p: Share = 1.0,
    max_tokens: Count = 512,
    draw: int = 0,  # noqa: ARG001 - as in `generate`
    ask: Asker,
) -> Text:
    """Draw `n` answers from several members and keep the best; who does well draws more.

    Each member writes one answer. Then one of these is chosen, and its member draws again, until
    there are `n`: the one with which the value of the chosen ones is greatest. That value is sum_i
    w_i ((1 - agree) score_i + agree share_i), where share_i is the part of the chosen ones that are
    the same as i, and w = softmax(sharpness x score). Scores that leave the range from 0 to 1 are
    spread over it. Of all `n` the answer with the highest score is kept, of equals one that most
    others agree with. If `n` is less than the members, a random choice of them draws. `by` scores
    one answer at a time; if it asks judges, the members are the judges. `read` reads a value out of
    each answer; one without a value is not kept. A member that fails draws no more.
    """
    how = Sampling(temperature, top_p, max_tokens=max_tokens)
    draws = Draws(query, members, by, how, read, ask)
    await draws.add(sorted(ask.rng.sample(range(len(members)), min(n, len(members)))))
    for _ in range(n - len(members)):
        if not draws.heads:
            break
        places = list(draws.heads)
        scores, groups = _spread(draws.all), await _groups(draws, same)
        before = range(len(draws.chosen))
        values = [
            _value([*before, len(before) + at], scores, groups, agree, sharpness)
            for at in range(len(places))
        ]
        await draws.add([draws.choose(places, values)])
    return await _best(draws, same)


async def _best(draws: Draws, same: Agreement) -> Text:
    """Return the answer with the highest score, of equals one that most agree with."""
    made, ask = draws.all, draws.ask
    names = unique(member.name for member in draws.members)
    ask.note(
        draws=dict(Counter(names[each.member] for each in made)), **failure_notes(draws.failed)
    )
    if not made:
        require_quorum(1, len(draws.failed), draws.failed)
    if all(each.text.answer is None for each in made):
        raise PartError(
            "E705",
            "there is nothing to choose from: every draw abstained",
            "check what `read` reads from the answers, or add a fallback: `draw_best(...) | D`",
        )
    scores = [math.nan if each.score is None else each.score for each in made]
    first = scores[descending(scores, f"`{draws.by.name}`")[0]]
    groups = await _groups(draws, same)
    sizes = Counter(groups)
    equals = [at for at, score in enumerate(scores) if score == first]
    most = max(sizes[groups[at]] for at in equals)
    at = ask.rng.choice([at for at in equals if sizes[groups[at]] == most])
    ask.note(winner=names[made[at].member], score=first, agreeing=most)
    facts = MappingProxyType({**made[at].text.facts, SCORE: first})
    return replace(made[at].text, facts=facts)


async def _groups(draws: Draws, same: Agreement) -> list[int]:
    """Return the group of each draw: equal answers have one; one that abstains has its own."""
    made = draws.all
    comparison = await same.compare([each.text.answer for each in made], draws.query, draws.ask)
    groups = [-1 - at for at in range(len(made))]
    for number, group in enumerate(comparison.groups):
        for at in group:
            groups[at] = number
    return groups


def _spread(draws: Sequence[Draw]) -> list[float]:
    """Return scores between 0 and 1; those that leave this range are spread over it."""
    scores = [each.score for each in draws if each.score is not None]
    low, high = min(scores, default=0.0), max(scores, default=1.0)
    if low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    width = high - low or 1.0
    return [0.0 if each.score is None else (each.score - low) / width for each in draws]


def _value(
    chosen: Sequence[int],
    scores: Sequence[float],
    groups: Sequence[int],
    agree: float,
    sharpness: float,
) -> float:
    """Return what a set of draws is worth."""
    sizes = Counter(groups[at] for at in chosen)
    highest = max(scores[at] for at in chosen)
    weights = [math.exp(sharpness * (scores[at] - highest)) for at in chosen]
    worths = [(1 - agree) * scores[at] + agree * sizes[groups[at]] / len(chosen) for at in chosen]
    total = math.fsum(w * worth for w, worth in zip(weights, worths, strict=True))
    return total / math.fsum(weights)


@draw_best.check
def its_score_needs_one_answer(site: Site) -> Iterator[Complaint]:
    """Draws are scored one by one, by what their writers and the judges can do."""
    scorer = site.get("by")
    if not scorer.single:
        text = f"`{scorer.name}` compares answers, but `draw_best` has them scored one at a time"
        help_ = "use `reward(M)`, `confident()` or `judge(how = grade)`"
        yield Complaint("E403", text, "compares answers", help_, "by")
    for model in site.models:
        yield from site.lacks(
            model, Capability.named(scorer.of_writers | (scorer.of_judges or set()))
        )


@draw_best.enough
def one_who_draws(given: Sequence[Port]) -> Complaint | None:
    """A query alone draws nothing."""
    return draw_best.without(draw_best.inputs[1]) if len(given) == 1 else None
