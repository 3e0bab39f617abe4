"""Weights by greedy search: members join one by one, as far as that makes the prompt likelier."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch

from composer.engine import combine
from composer.engine.distribution import Distributions, MemberWeight
from composer.engine.requests.read_logits import ReadLogits
from composer.engine.sequence import messages_for, prompt_tokens
from composer.engine.sessions.score import open_plain
from composer.methods.weigh.prompts import lone, weighed
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from composer.engine.fuse_tree import FuseNode
    from composer.engine.parts import Member
    from composer.engine.sequence import SequenceState
    from composer.engine.sessions.prompt_weights import PromptWeights
    from composer.values.flow import Query

    Mix = Mapping[int, float]
    Loss = Callable[[Mix], float]

__all__ = ["search"]

_LEAST = -100.0  # nats: what a token counts that a mixture cannot write


def search(sides: Sequence[Member], *, steps: int = 21, tokens: int = 256) -> PromptWeights:
    """Join members one by one, likeliest first, each with the share that fits the prompt best.

    With the mixture so far and the next member at `lambda` and `1 - lambda`, lambda out of `steps`
    values from 0 to 1, the prompt's last `tokens` tokens cost least; what was found for the
    members before is multiplied by lambda. Mixtures are as the fuse aligns and combines them.
    """
    lone(sides, "search")

    async def prior(sequence: SequenceState, query: Query) -> tuple[float, ...]:
        heard, targets = await _heard(sequence, query, tokens)
        if not targets or not heard:
            return (1.0,) * len(sides)
        root: FuseNode = sequence.group.root  # type: ignore[assignment]
        loss = partial(_loss, root, heard, targets)
        alone = {n: loss({n: 1.0}) for n in heard}
        first, *others = sorted(heard, key=lambda n: alone[n])
        mix: Mix = {first: 1.0}
        for member in others:
            mix = _joined(mix, member, loss, steps, convex=_convex(root))
        return tuple(mix.get(n, 0.0) for n in range(len(sides)))

    return prior


async def _heard(
    sequence: SequenceState, query: Query, most: int
) -> tuple[dict[int, Distributions], list[int]]:
    """What members say at a prompt's last entries, and those entries.

    The prompt as it is rendered, if it is the same tokens for all; its text after BOS if not.
    """
    members = weighed(sequence)
    given = [tuple(prompt_tokens(sequence.group.slots[n], query, "")) for n in members]
    root: FuseNode = sequence.group.root  # type: ignore[assignment]
    if root.maps is None and len(set(given)) == 1:
        ids = given[0]
        marks = range(max(1, len(ids) - most), len(ids))
        targets = [ids[mark] for mark in marks]
        found = await ReadLogits(sequence, {n: list(marks) for n in members})
    else:
        found, targets = await _text(sequence, members, query, most)
    said = {
        n: Distributions(logits[:, : len(root.children[n].space)].to(sequence.group.device))
        for n, logits in found.items()
    }
    return said, targets


async def _text(
    sequence: SequenceState, members: Sequence[int], query: Query, most: int
) -> tuple[Mapping[int, torch.Tensor], list[int]]:
    """Read a prompt's text as entries of the fuse, by a cursor of its own."""
    group = sequence.group
    read = {messages_for(group.slots[n], query) for n in members}
    if len(read) > 1:
        said = "`search` needs members with the same prompt, but these have different prompts"
        raise ModelError(
            "E402", said, "write `weigh = perplexity()`, or give all members the same prompt"
        )
    text = "\n\n".join(content for _, content in read.pop())
    other, entries = open_plain(group, sequence.weights, members, text)
    try:
        other.extend(entries)
        if other.remaining_context < 0:
            raise ModelError("E703", "the prompt is longer than the context of a member")
        targets = list(entries[-most:])
        first = len(entries) - len(targets)
        at = {n: state.entry_starts[first:] for n, state in other.states.items()}
        found = (await ReadLogits(other, at)) if targets else {}
    finally:
        other.close()
    sequence.dropped.update(other.dropped)
    return found, targets


def _loss(
    root: FuseNode, heard: Mapping[int, Distributions], targets: Sequence[int], mix: Mix
) -> float:
    """Mean loss of entries, in nats, under the fuse of some members at given weights."""
    some = {n: heard[n] for n in sorted(mix) if mix[n] > 0}
    lined = root.align.align(some)
    device = lined.members[0].scores.device
    shares = [MemberWeight([mix[n]] * len(targets), device, n) for n in some]
    fused = lined.to_entries(root.combine(lined, shares))
    rows = torch.arange(len(targets), device=device)
    found = fused.logprobs_of(rows, torch.tensor(targets, device=device))
    return -found.nan_to_num(nan=_LEAST).clamp(min=_LEAST).mean().item()


def _joined(mix: Mix, member: int, loss: Loss, steps: int, *, convex: bool) -> Mix:
    """The mixture with one member more, at the best of some values of lambda."""

    def mixed(step: int) -> dict[int, float]:
        share = step / (steps - 1)
        return {**{n: w * share for n, w in mix.items()}, member: 1 - share}

    known: dict[int, float] = {}

    def cost(step: int) -> float:
        if step not in known:
            known[step] = loss(mixed(step))
        return known[step]

    # what no member but one can write makes even a convex cost jump at its ends
    tried = sorted({0, _valley(cost, steps), steps - 1}) if convex else range(steps)
    return mixed(min(tried, key=cost))


def _valley(cost: Callable[[int], float], steps: int) -> int:
    """Where a convex cost is least: the first such step, found by halving."""
    low, high = 0, steps - 1
    while low < high:
        middle = (low + high) // 2
        if cost(middle) <= cost(middle + 1):
            high = middle
        else:
            low = middle + 1
    return low


def _convex(root: FuseNode) -> bool:
    """Whether the loss is convex in lambda: `-log` of a linear pool is, and so is a log pool's."""
    return getattr(root.combine, "func", root.combine) in (combine.mean, combine.logs)
