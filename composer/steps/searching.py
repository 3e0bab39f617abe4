"""Searching over partial answers: a reward says which steps are gone on with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from composer.steps.asking import Count, Temperature
from composer.steps.declare import step
from composer.values import JSON, Asker, Generate, Model, Query, Sampling, Text
from composer.values.capability import Capability
from composer.values.finite import descending, finite

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.steps.site import Complaint
    from composer.values import Port


@dataclass(frozen=True, slots=True)
class PartialAnswer:
    """An answer as far as it is written: who wrote its last step, and whether that ended it."""

    text: str
    by: str = ""
    confidence: float | None = None
    over: bool = False
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
    reward: Annotated[Model, Capability.REWARD],
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
    beam = [PartialAnswer("")]
    levels: list[list[JSON]] = []
    while len(levels) < depth and not all(partial.over for partial in beam):
        open_texts = [partial.text for partial in beam if not partial.over]
        requests = [Generate(w, query, how, text, count) for text in open_texts for w in writers]
        steps = await _steps(requests, boundary, ask)
        rewards = await ask.reward(reward, query, [partial.text for partial in steps])
        candidates = [replace(partial, reward=r) for partial, r in zip(steps, rewards, strict=True)]
        candidates += [partial for partial in beam if partial.over]
        order = descending([partial.reward for partial in candidates], f"`{reward.name}`")
        beam = [candidates[at] for at in order[:width]]
        levels.append([{"text": e.text, "by": e.by, "reward": finite(e.reward)} for e in beam])
    ask.note(levels=levels)
    best = beam[0]
    return Text(query, best.text, best.by, confidence=best.confidence)


async def _steps(requests: Sequence[Generate], boundary: str, ask: Asker) -> list[PartialAnswer]:
    """Return partial answers with their next steps, equal texts once.

    A step that does not end with the boundary is the last.
    """
    generations = zip(requests, await ask.many(requests), strict=True)
    steps = [
        PartialAnswer(
            request.prefix + draw.text,
            request.model.name,
            draw.confidence,
            over=not draw.text.endswith(boundary),
        )
        for request, generated in generations
        for draw in generated.draws
    ]
    return list({step.text: step for step in reversed(steps)}.values())[::-1]


@process_fuse.enough
def one_who_writes(given: Sequence[Port]) -> Complaint | None:
    """A query alone writes nothing."""
    return process_fuse.without(process_fuse.inputs[1]) if len(given) == 1 else None
