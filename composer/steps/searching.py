"""Searching over partial answers: a reward says which steps are gone on with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from composer.methods import PartialAnswer, StepReward
from composer.steps.asking import Count, Temperature
from composer.steps.declare import step
from composer.values import JSON, Asker, Generate, Model, Query, Sampling, Text
from composer.values.capability import Capability
from composer.values.finite import descending, finite

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from composer.steps.site import Complaint, Site
    from composer.values import Port


@dataclass(frozen=True, slots=True)
class Candidate:
    """A partial answer and its reward."""

    partial: PartialAnswer
    reward: float = 0.0


@step(
    paper="arXiv:2412.15797",
    needs=Capability.TEXT | Capability.CONTINUE,
    instead="rank whole answers instead: `[A, B] -> rank(D, by = judge()) -> best()`",
    hidden=("draw",),
    per_query=("temperature",),
)
async def process_fuse(
    query: Query,
    *writers: Model,
    reward: StepReward,
    boundary: Annotated[str, Field(min_length=1)] = "\n",
    width: Count = 2,
    draws: Count = 4,
    depth: Count = 16,
    temperature: Temperature = 0.7,
    max_tokens: Count = 512,
    draw: int = 0,  # noqa: ARG001 - as in `generate`
    ask: Asker,
) -> Text:
    """Write an answer step by step, and continue from the steps with the highest reward.

    A step ends with the `boundary`. Each writer writes the next step of each of the best partial
    answers, `draws` times (once at a temperature of 0). The `width` best partial answers are kept,
    until they are complete or have `depth` steps. A step has at most `max_tokens` tokens. Every
    member reads partial answers in its own tokens, so the confidence is that of the last step.
    """
    how = Sampling(temperature, max_tokens=max_tokens, stop=(boundary,), keep_stop=True)
    count = draws if temperature else 1
    beam = [Candidate(PartialAnswer())]
    levels: list[list[JSON]] = []
    while len(levels) < depth and not all(each.partial.over for each in beam):
        partials = [each.partial for each in beam if not each.partial.over]
        asked = [
            (partial, Generate(w, query, how, partial.text, count))
            for partial in partials
            for w in writers
        ]
        steps = await _steps(asked, boundary, ask)
        rewards = await reward.rewards(query, steps, writers, ask)
        candidates = [Candidate(partial, r) for partial, r in zip(steps, rewards, strict=True)]
        candidates += [each for each in beam if each.partial.over]
        order = descending([each.reward for each in candidates], f"`{reward.name}`")
        beam = [candidates[at] for at in order[:width]]
        levels.append([_described(each) for each in beam])
    ask.note(levels=levels)
    best = beam[0].partial
    return Text(query, best.text, best.by, confidence=best.confidence)


def _described(candidate: Candidate) -> dict[str, JSON]:
    partial = candidate.partial
    return {"text": partial.text, "by": partial.by, "reward": finite(candidate.reward)}


async def _steps(
    asked: Sequence[tuple[PartialAnswer, Generate]], boundary: str, ask: Asker
) -> list[PartialAnswer]:
    """Return partial answers with their next steps, equal texts once.

    A step that does not end with the boundary is the last.
    """
    generations = zip(asked, await ask.many([request for _, request in asked]), strict=True)
    steps = [
        PartialAnswer(
            (*partial.steps, draw.text),
            request.model.name,
            draw.confidence,
            over=not draw.text.endswith(boundary),
        )
        for (partial, request), generated in generations
        for draw in generated.draws
    ]
    return list({step.text: step for step in reversed(steps)}.values())[::-1]


@process_fuse.enough
def one_who_writes(given: Sequence[Port]) -> Complaint | None:
    """A query alone writes nothing."""
    return process_fuse.without(process_fuse.inputs[1]) if len(given) == 1 else None


@process_fuse.check
def its_writers_can_be_rewarded(site: Site) -> Iterator[Complaint]:
    """A reward may need more of the writers than that they write."""
    for model in site.models:
        yield from site.lacks(model, site.get("reward").of_writers)
