"""Weights for a whole answer, found from its prompt before the first token is written.

PackLLM, arXiv:2404.11531. A way is made once for a fuse, `search(sides, ...)`; for each answer it
is a session that reads the prompt and gives a factor for the weight of each member. It reads by
the answer's own cursor wherever that is possible, so that the prompt is not read twice.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Literal, Protocol

import torch

from composer.fusion import combine
from composer.fusion.cursor import opening
from composer.fusion.peek import Peek, Peeked
from composer.fusion.said import Said, Share
from composer.fusion.sessions.score import plain
from composer.models.checkpoint import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from composer.fusion.align.base import Side
    from composer.fusion.cursor import Cursor
    from composer.fusion.group import Fuse
    from composer.fusion.sessions.base import Session
    from composer.fusion.spec import Messages

    Mix = Mapping[int, float]
    Loss = Callable[[Mix], float]

__all__ = ["Prior", "perplexity", "search"]

_AT_ONCE = 256  # positions of a prompt whose logits are held at the same time
_LEAST = -100.0  # nats: what a token counts that a mixture cannot write


class Prior(Protocol):
    """Factors for the members' weights, in their order; a member of factor 0 is not run."""

    def __call__(self, cursor: Cursor, prompts: Sequence[Messages]) -> Session[tuple[float, ...]]:
        """Find them from the prompts that the members of a cursor read."""


def perplexity(
    sides: Sequence[Side], *, temperature: float = 1.0, per: Literal["token", "byte"] = "token"
) -> Prior:
    """`softmax(-loss / temperature)` of the prompt's mean loss, in nats, under each member.

    Each reads the prompt as it is rendered for it, in its own tokens. Where a prompt is a single
    token nothing can be told, and the weights stay as they are.
    """
    _lone(sides, "perplexity")

    def prior(cursor: Cursor, prompts: Sequence[Messages]) -> Session[tuple[float, ...]]:
        losses = yield from _losses(cursor, prompts, per)
        if not losses:
            return (1.0,) * len(sides)
        least = min(losses.values())
        gaps = [losses.get(n, math.inf) - least for n in range(len(sides))]
        return tuple(math.exp(-gap / temperature) for gap in gaps)

    return prior


def search(sides: Sequence[Side], *, steps: int = 21, tokens: int = 256) -> Prior:
    """Join members one by one, likeliest first, each with the share that fits the prompt best.

    With the mixture so far and the next member at `lambda` and `1 - lambda`, lambda out of `steps`
    values from 0 to 1, the prompt's last `tokens` tokens cost least; what was found for the
    members before is multiplied by lambda. Mixtures are as the fuse aligns and combines them.
    """
    _lone(sides, "search")

    def prior(cursor: Cursor, prompts: Sequence[Messages]) -> Session[tuple[float, ...]]:
        heard, targets = yield from _heard(cursor, prompts, tokens)
        if not targets:
            return (1.0,) * len(sides)
        root: Fuse = cursor.group.root  # type: ignore[assignment]
        loss = partial(_loss, root, heard, targets)
        alone = {n: loss({n: 1.0}) for n in heard}
        first, *others = sorted(heard, key=lambda n: alone[n])
        mix: Mix = {first: 1.0}
        for member in others:
            mix = _joined(mix, member, loss, steps, convex=_convex(root))
        return tuple(mix.get(n, 0.0) for n in range(len(sides)))

    return prior


def _lone(sides: Sequence[Side], name: str) -> None:
    nested = next((side.name for side in sides if side.model is None), None)
    if nested is not None:
        said = f"`{name}` weighs models by their prompt, but {nested} is itself a fuse"
        raise ModelError("E402", said, "fuse its members directly")


def _losses(
    cursor: Cursor, prompts: Sequence[Messages], per: Literal["token", "byte"]
) -> Session[dict[int, float]]:
    """The prompt's mean loss by leaf; none if a leaf has nothing to tell."""
    leaves = cursor.group.leaves
    counts = {n: len(opening(leaves[n], prompts, "")) for n in cursor.tracks}
    if min(counts.values()) <= 1:
        return {}
    ids = {n: track.ids for n, track in cursor.tracks.items()}
    totals = dict.fromkeys(counts, 0.0)
    for start in range(1, max(counts.values()), _AT_ONCE):
        at = {n: list(range(start, min(c, start + _AT_ONCE))) for n, c in counts.items()}
        for n, logits in (yield from _peeked(Peek(cursor, at))).items():
            said = logits[:, : leaves[n].runner.model.width].log_softmax(-1)
            wanted = torch.tensor([ids[n][mark] for mark in at[n]], device=said.device)
            totals[n] -= said.gather(1, wanted[:, None]).sum().item()
    words = {n: leaves[n].runner.model.vocabulary for n in counts}
    sizes = {
        n: count - 1 if per == "token" else len(words[n].bytes_of(ids[n][1:count]))
        for n, count in counts.items()
    }
    return {n: totals[n] / max(sizes[n], 1) for n in cursor.tracks}


def _peeked(request: Peek) -> Session[dict[int, torch.Tensor]]:
    (answer,) = yield [request]
    assert isinstance(answer, Peeked)
    return dict(answer.logits)


def _heard(
    cursor: Cursor, prompts: Sequence[Messages], most: int
) -> Session[tuple[dict[int, Said], list[int]]]:
    """What members say at a prompt's last entries, and those entries.

    The prompt as it is rendered, if it is the same tokens for all; its text after BOS if not.
    """
    given = [tuple(opening(cursor.group.leaves[n], prompts, "")) for n in cursor.tracks]
    root: Fuse = cursor.group.root  # type: ignore[assignment]
    if root.maps is None and len(set(given)) == 1:
        ids = given[0]
        marks = range(max(1, len(ids) - most), len(ids))
        targets = [ids[mark] for mark in marks]
        found = yield from _peeked(Peek(cursor, {n: list(marks) for n in cursor.tracks}))
    else:
        found, targets = yield from _text(cursor, prompts, most)
    said = {
        n: Said(logits[:, : len(root.children[n].space)].to(cursor.group.device))
        for n, logits in found.items()
    }
    return said, targets


def _text(
    cursor: Cursor, prompts: Sequence[Messages], most: int
) -> Session[tuple[dict[int, torch.Tensor], list[int]]]:
    """Read a prompt's text as entries of the fuse, by a cursor of its own."""
    group = cursor.group
    read = {prompts[group.leaves[n].prompt] for n in cursor.tracks}
    if len(read) > 1:
        said = "`search` mixes what members say of one prompt, but these read several"
        raise ModelError("E402", said, "weigh by `perplexity()`, or let them read the same")
    text = "\n\n".join(content for _, content in read.pop())
    other, entries = plain(group, cursor.weights, list(cursor.tracks), text)
    try:
        for entry in entries:
            other.push(entry)
        if other.room < 0:
            raise ModelError("E703", "the prompt is longer than a member's context")
        targets = list(entries[-most:])
        first = len(entries) - len(targets)
        at = {n: track.marks[first:] for n, track in other.tracks.items()}
        found = (yield from _peeked(Peek(other, at))) if targets else {}
    finally:
        other.close()
    cursor.left.update(other.left)
    return found, targets


def _loss(root: Fuse, heard: Mapping[int, Said], targets: Sequence[int], mix: Mix) -> float:
    """Mean loss of entries, in nats, under the fuse of some members at given weights."""
    some = {n: heard[n] for n in sorted(mix) if mix[n] > 0}
    lined = root.align.line(some)
    device = lined.members[0].scores.device
    shares = [Share([mix[n]] * len(targets), device, n) for n in some]
    fused = lined.finish(root.combine(lined, shares))
    rows = torch.arange(len(targets), device=device)
    found = fused.at(rows, torch.tensor(targets, device=device))
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


def _convex(root: Fuse) -> bool:
    """Whether the loss is convex in lambda: `-log` of a linear pool is, and so is a log pool's."""
    return getattr(root.combine, "func", root.combine) in (combine.mean, combine.logs)
