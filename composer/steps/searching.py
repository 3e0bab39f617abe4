"""Searching over partial answers: a reward says which steps are gone on with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from composer.methods import AskedTree, Beam, Boundary, Search, StepReward, Steps
from composer.steps.asking import Count, Temperature
from composer.steps.declare import step
from composer.steps.site import Complaint
from composer.values import Asker, Model, Query, Sampling, Text
from composer.values.capability import Capability

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from composer.steps.site import Site
    from composer.values import Port


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
    search: Search = Beam(),
    boundary: Annotated[str, Field(min_length=1)] | Boundary = "\n",
    depth: Count = 16,
    temperature: Temperature = 0.7,
    max_tokens: Count = 512,
    max_total_tokens: Count | None = None,
    draw: int = 0,  # noqa: ARG001 - as in `generate`
    ask: Asker,
) -> Text:
    """Write an answer step by step; a search continues the steps with the best rewards.

    A step ends with the `boundary`, a text or a part, or after `max_tokens` tokens. An answer has
    at most `depth` steps. `search` says which partial answers the writers continue, and how often;
    it ends when it is done, or at the first turn after which the writers have written
    `max_total_tokens`. The answer is the complete one with the highest reward, else the partial one
    at which the search stands. A writer that fails is asked no more for this query. A step whose
    reward is NaN is given up; none with a reward is an error (E704). Every member reads partial
    answers in its own tokens, so the confidence is that of the last step.
    """
    how = Sampling(temperature, max_tokens=max_tokens)
    steps = Steps(boundary, how, depth, max_total_tokens)
    tree = AskedTree(query, writers, reward, steps, ask)
    stands = await search.run(tree)
    tree.demand_rewards()
    node = tree.best() or stands
    answer = node.whole or node.partial
    ask.note(tree=tree.described(node), **tree.stopped())
    facts = {} if answer.over else {"finish": "length"}
    return Text(query, answer.text, answer.by, confidence=answer.confidence, facts=facts)


@process_fuse.enough
def one_who_writes(given: Sequence[Port]) -> Complaint | None:
    """A query alone writes nothing."""
    return process_fuse.without(process_fuse.inputs[1]) if len(given) == 1 else None


@process_fuse.check
def its_writers_can_be_rewarded(site: Site) -> Iterator[Complaint]:
    """A reward may need more of the writers than that they write."""
    for model in site.models:
        yield from site.lacks(model, site.get("reward").of_writers)


@process_fuse.check
def its_steps_end_by_their_text(site: Site) -> Iterator[Complaint]:
    """A writer gives the text of a step, so its tokens cannot end one."""
    boundary = site.get("boundary")
    if isinstance(boundary, Boundary) and boundary.reads_tokens:
        yield Complaint(
            "E402",
            f"`{boundary.name}` reads the tokens of a writer, and `process_fuse` only its text",
            "reads tokens",
            "end steps by their text, such as `boundary = words(20)`, or by `max_tokens = 20`",
            "boundary",
        )
