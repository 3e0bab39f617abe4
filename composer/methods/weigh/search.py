"""Weights by greedy search over the prompt (PackLLM-opt, arXiv:2404.11531).

Members join one by one, each with the weight that makes the prompt likeliest.
"""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from composer.engine.distribution import Distributions, MemberWeight
from composer.engine.requests.read_logits import ReadLogits
from composer.engine.sequence import messages_for, prompt_tokens
from composer.engine.sessions.passages import open_plain
from composer.heavy import torch
from composer.methods.weigh.prompts import ModelPromptWeigh, weighted
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from composer.engine.fuse_tree import FuseNode
    from composer.engine.sequence import SequenceState
    from composer.values.flow import Query

    Mixture = Mapping[int, float]
    Loss = Callable[[Mixture], float]

__all__ = ["Search"]

_LEAST = -100.0  # nats: what a token counts that a mixture cannot write


class Search(ModelPromptWeigh):
    """Once, from the prompt: member by member the weight that makes it likeliest (PackLLM-opt).

    Members join in the order in which they find the prompt likely. The mixture so far gets the
    weight lambda and the next member 1 - lambda, lambda out of `steps` values from 0 to 1, so that
    the prompt's last `tokens` tokens cost least.
    """

    name: ClassVar[str] = "search"
    paper: ClassVar[str] = "arXiv:2404.11531"

    steps: int = Field(default=21, ge=2)
    tokens: int = Field(default=256, ge=1)

    async def prompt_weights(self, sequence: SequenceState, query: Query) -> tuple[float, ...]:
        """Return the weights of the mixture; it is aligned and combined as the fuse does it."""
        count = len(sequence.weights)
        distributions, targets = await _distributions(sequence, query, self.tokens)
        if not targets or not distributions:
            return (1.0,) * count
        root: FuseNode = sequence.group.root  # type: ignore[assignment]
        loss = partial(_loss, root, distributions, targets)
        alone = {n: loss({n: 1.0}) for n in distributions}
        first, *others = sorted(distributions, key=lambda n: alone[n])
        mixture: Mixture = {first: 1.0}
        for member in others:
            mixture = _joined(mixture, member, loss, self.steps, convex=root.convex)
        return tuple(mixture.get(n, 0.0) for n in range(count))


async def _distributions(
    sequence: SequenceState, query: Query, most: int
) -> tuple[dict[int, Distributions], list[int]]:
    """Return the members' distributions at a prompt's last entries, and those entries.

    The prompt is read as it is rendered, if it is the same tokens for all; if not, its text is
    read after BOS.
    """
    members = weighted(sequence)
    prompts = [tuple(prompt_tokens(sequence.group.slots[n], query, "")) for n in members]
    root: FuseNode = sequence.group.root  # type: ignore[assignment]
    if root.maps is None and len(set(prompts)) == 1:
        ids = prompts[0]
        marks = range(max(1, len(ids) - most), len(ids))
        targets = [ids[mark] for mark in marks]
        logits = await ReadLogits(sequence, {n: list(marks) for n in members})
    else:
        logits, targets = await _text_logits(sequence, members, query, most)
    distributions = {
        n: Distributions(own[:, : len(root.children[n].space)].to(sequence.group.device))
        for n, own in logits.items()
    }
    return distributions, targets


async def _text_logits(
    sequence: SequenceState, members: Sequence[int], query: Query, most: int
) -> tuple[Mapping[int, torch.Tensor], list[int]]:
    """Read a prompt's text as entries of the fuse, in a sequence of its own."""
    group = sequence.group
    prompts = {messages_for(group.slots[n], query) for n in members}
    if len(prompts) > 1:
        message = "`search` needs members with the same prompt, but these have different prompts"
        raise ModelError(
            "E402", message, "write `weigh = perplexity()`, or give all members the same prompt"
        )
    text = "\n\n".join(content for _, content in prompts.pop())
    passage = open_plain(group, sequence.weights, members, text)
    plain, entries = passage.sequence, passage.entries
    try:
        plain.extend(entries)
        if plain.remaining_context < 0:
            raise ModelError("E703", "the prompt is longer than the context of a member")
        targets = list(entries[-most:])
        first = len(entries) - len(targets)
        at = {n: state.entry_starts[first:] for n, state in plain.states.items()}
        logits = (await ReadLogits(plain, at)) if targets else {}
    finally:
        plain.close()
    sequence.dropped.update(plain.dropped)
    return logits, targets


def _loss(
    root: FuseNode,
    distributions: Mapping[int, Distributions],
    targets: Sequence[int],
    mixture: Mixture,
) -> float:
    """Return the mean loss of entries, in nats, under the fuse of some members with weights."""
    members = [n for n in sorted(mixture) if mixture[n] > 0]
    aligned = root.align.align({n: distributions[n] for n in members})
    device = aligned.members[0].scores.device
    weights = [MemberWeight([mixture[n]] * len(targets), device, n) for n in members]
    fused = aligned.to_entries(root.combined(aligned, weights))
    rows = torch.arange(len(targets), device=device)
    logprobs = fused.logprobs_of(rows, torch.tensor(targets, device=device))
    return -logprobs.nan_to_num(nan=_LEAST).clamp(min=_LEAST).mean().item()


def _joined(mixture: Mixture, member: int, loss: Loss, steps: int, *, convex: bool) -> Mixture:
    """Return the mixture with one member more, at the best of some values of lambda."""

    def mixed(step: int) -> dict[int, float]:
        part = step / (steps - 1)
        return {**{n: w * part for n, w in mixture.items()}, member: 1 - part}

    @cache
    def cost(step: int) -> float:
        return loss(mixed(step))

    # a token that no member but one can write makes even a convex cost jump at its ends
    candidates = sorted({0, _valley(cost, steps), steps - 1}) if convex else range(steps)
    return mixed(min(candidates, key=cost))


def _valley(cost: Callable[[int], float], steps: int) -> int:
    """Return the first step at which a convex cost is least, by halving."""
    low, high = 0, steps - 1
    while low < high:
        middle = (low + high) // 2
        if cost(middle) <= cost(middle + 1):
            high = middle
        else:
            low = middle + 1
    return low
