"""What groups answer once their rows are fed: drawn, ranked or read off one distribution."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

import torch

from composer.fusion.fault import fault
from composer.fusion.requests.inquiry import Inquiry
from composer.fusion.requests.plain import END, Draw, Drawn, Rank, Ranked, Read
from composer.fusion.requests.replies import Reply
from composer.fusion.sample import draw

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from composer.fusion.gate import Gate
    from composer.fusion.group import Group
    from composer.fusion.reading import Reading
    from composer.fusion.requests.plain import Request
    from composer.fusion.said import Said
    from composer.fusion.spec import Sampling
    from composer.models.checkpoint import ModelError
    from composer.models.runner import Runner

__all__ = ["Answer", "answer", "inquire"]

Answer: TypeAlias = Reply | Exception


def inquire(
    group: Group,
    asked: list[tuple[Request, list[Reading]]],
    logits: dict[tuple[Runner, int], Tensor | None],
    answers: dict[Request, Answer],
) -> None:
    """Answer requests of one kind that knows how: each is given its leaves' logits."""
    heard = [(request, _heard(parts, logits)) for request, parts in asked]
    if heard:
        first = heard[0][0]
        assert isinstance(first, Inquiry)
        answers.update(first.answer(group, heard))


def _heard(
    parts: Sequence[Reading], logits: dict[tuple[Runner, int], Tensor | None]
) -> dict[int, Tensor]:
    """One request's logits [mark, width] by leaf."""
    found: dict[int, Tensor] = {}
    for part in parts:
        out = logits.get((part.track.leaf.runner, part.track.leaf.lane))
        if part.marks and out is not None:
            width = None if part.hidden else part.track.leaf.runner.model.width
            found[part.leaf] = out[part.at : part.at + len(part.marks), :width]
    return found


def answer(
    group: Group,
    asked: list[tuple[Request, list[Reading]]],
    logits: dict[tuple[Runner, int], Tensor | None],
    answers: dict[Request, Answer],
) -> None:
    """Fuse all positions that are asked of a group, and bring the outcome to the host at once."""
    if group.gate is not None:
        asked = _admitted(group, group.gate, asked, logits)
    said = _said(group, asked, logits)
    counts = [_count(request) for request, _ in asked]
    if not sum(counts):
        answers.update({request: [] for request, _ in asked})
        return
    weights = [
        _weights(request)
        for (request, _), count in zip(asked, counts, strict=True)
        for _ in range(count)
    ]
    fused = group.fuse(said, weights)
    starts = [sum(counts[:n]) for n in range(len(counts))]
    draws = [(r, s) for (r, _), s in zip(asked, starts, strict=True) if isinstance(r, Draw)]
    reads = [(r, s) for (r, _), s in zip(asked, starts, strict=True) if isinstance(r, Read)]
    for (request, _), start in zip(asked, starts, strict=True):
        if isinstance(request, Rank):
            answers[request] = _ranked(request, fused, said, start)
    if not draws and not reads:
        return
    entries, drawn, read = _host(group, fused, draws, reads)
    for (ask, start), entry, logprob in zip(draws, entries, drawn, strict=True):
        answers[ask] = _checked(ask, logprob, said, start) or Drawn(int(entry), logprob)
    done = 0
    for asking, start in reads:
        values = read[done : (done := done + len(asking.targets))]
        answers[asking] = _checked(asking, sum(values), said, start) or values


def _admitted(
    group: Group,
    gate: Gate,
    asked: list[tuple[Request, list[Reading]]],
    logits: dict[tuple[Runner, int], Tensor | None],
) -> list[tuple[Request, list[Reading]]]:
    """What can be answered now: where the gate opens, the other members have to read first."""
    fresh = [(r, p) for r, p in asked if isinstance(r, Draw) and not r.opened]
    if not fresh:
        return asked
    said = _said(group, fresh, logits)
    opens = gate(group.led(said), group.seen(said)).tolist()
    waiting: set[int] = set()
    for (request, parts), row, opened in zip(fresh, range(len(fresh)), opens, strict=True):
        request.opened = opened
        if opened and len(parts) < len(request.cursor.tracks):
            request.held = {leaf: _row(group, said[leaf], leaf, row) for leaf in group.lead}
            waiting.add(id(request))
    return [(r, p) for r, p in asked if id(r) not in waiting]


def _row(group: Group, logits: Tensor | None, leaf: int, row: int) -> Tensor:
    """One row of a leaf's logits [1, width], without what may stand behind them."""
    assert logits is not None
    return logits[row : row + 1, : group.leaves[leaf].runner.model.width]


def _weights(request: Request) -> Sequence[float]:
    """The members' weights: all of it the first one's where a gate stays shut."""
    group, weights = request.cursor.group, request.cursor.weights
    if group.gate is None or not isinstance(request, Draw) or request.opened:
        return weights
    return (1.0, *(0.0 for _ in weights[1:]))


def _ranked(
    request: Rank, fused: Said, said: Sequence[Tensor | None], row: int
) -> Ranked | ModelError:
    """The likeliest of the entries that a request names."""
    whole = fused.dense(len(request.cursor.group.space))
    found = whole.logprobs([row])[0, request.entries]
    best = found.topk(min(request.count, len(found)))
    logprobs: list[float] = best.values.tolist()
    wrong = _checked(request, sum(logprobs[:1]), said, row)
    return wrong or Ranked(request.entries[best.indices].tolist(), logprobs)


def _said(
    group: Group,
    asked: Sequence[tuple[Request, list[Reading]]],
    logits: dict[tuple[Runner, int], Tensor | None],
) -> list[Tensor | None]:
    """For each leaf its logits [position, width]; positions that do not run it hold any."""
    return [_of_leaf(group, n, asked, logits) for n in range(len(group.leaves))]


def _of_leaf(
    group: Group,
    leaf: int,
    asked: Sequence[tuple[Request, list[Reading]]],
    logits: dict[tuple[Runner, int], Tensor | None],
) -> Tensor | None:
    """One leaf's logits [position, width]: out of its pass, or held since the gate opened."""
    places: list[int] = []
    held: list[Tensor] = []
    runs = False
    for request, parts in asked:
        count = _count(request)
        kept = request.held.get(leaf) if isinstance(request, Draw) else None
        start = next((part.at for part in parts if part.leaf == leaf), None)
        if kept is not None:
            held.append(kept)
            places.append(-len(held))
        else:
            places.extend([0] * count if start is None else range(start, start + count))
        runs |= count > 0 and (start is not None or kept is not None)
    if not runs:
        return None
    out = logits.get((group.leaves[leaf].runner, group.leaves[leaf].lane))
    if held:
        fresh = [] if out is None else [out[:, : held[0].shape[1]]]
        out = torch.cat([*fresh, *reversed(held)])
    if out is None or places == list(range(len(out))):
        return out
    return out[torch.tensor(places, device=out.device)]


def _count(request: Request) -> int:
    return len(request.targets) if isinstance(request, Read) else 1


def _host(
    group: Group,
    fused: Said,
    draws: Sequence[tuple[Draw, int]],
    reads: Sequence[tuple[Read, int]],
) -> tuple[list[float], list[float], list[float]]:
    """Entries drawn, their log-probabilities, and those that were read: one transfer."""
    parts: list[Tensor] = []
    if draws:
        rows = [start for _, start in draws]
        entries = draw(fused, rows, [_how(r) for r, _ in draws], [r.luck for r, _ in draws])
        own = fused.at(torch.tensor(rows, device=entries.device), entries)
        parts += [entries.double(), own.double()]
    places = [(start + n, t) for r, start in reads for n, t in enumerate(r.targets)]
    if places:
        parts.append(_read(group, fused, places).double())
    values: list[float] = torch.cat(parts).tolist()
    count = len(draws)
    return values[:count], values[count : 2 * count], values[2 * count :]


def _how(request: Draw) -> Sampling:
    """How to draw: some gates take the likeliest entry where they open."""
    gate = request.cursor.group.gate
    cold = gate is not None and gate.greedy and request.opened
    return replace(request.how, temperature=0.0) if cold else request.how


def _read(group: Group, fused: Said, places: Sequence[tuple[int, int]]) -> Tensor:
    """Log-probabilities of entries at positions; the end is what all end entries add up to."""
    at = torch.tensor(places, device=group.device)
    values = fused.at(at[:, 0], at[:, 1].clamp(min=0))
    ending = [n for n, (_, target) in enumerate(places) if target == END]
    if ending:
        values[ending] = fused.over(at[ending, 0], sorted(group.space.ends))
    return values


def _checked(
    request: Request, logprob: float, said: Sequence[Tensor | None], row: int
) -> ModelError | None:
    """An error that names the member whose logits are no numbers."""
    if not math.isnan(logprob):
        return None
    return fault(request.cursor, said, slice(row, row + _count(request)))
