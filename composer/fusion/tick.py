"""One tick: every row that waits is fed, in one pass a model; then every group answers."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch.nn.functional import pad

from composer.fusion.beat import due
from composer.fusion.cursor import END, Draw, Drawn, Left, Rank, Ranked, Read
from composer.fusion.fault import fault
from composer.fusion.inquiry import Inquiry
from composer.fusion.look import Looked
from composer.fusion.sample import draw
from composer.fusion.turn import Turned
from composer.models.rows import Feed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from composer.fusion.cursor import Request, Track
    from composer.fusion.gate import Gate
    from composer.fusion.group import Group
    from composer.fusion.said import Said
    from composer.fusion.spec import Sampling
    from composer.models.checkpoint import ModelError
    from composer.models.runner import Runner

__all__ = ["Answer", "tick"]

Answer = Drawn | Ranked | Turned | dict[int, Looked] | list[float] | Exception

_CHUNK = 512  # prompt tokens of one row in one tick: others need not wait for more


@dataclass(eq=False, slots=True)
class _Part:
    """What one model reads for one request: up to `end`, with logits after `marks` tokens."""

    request: Request
    leaf: int
    track: Track
    marks: list[int]
    end: int
    at: int = -1  # where its logits begin in the pass's

    @property
    def lead(self) -> int:
        """Tokens to be read before those whose logits are wanted."""
        return (self.marks[0] - 1 if self.marks else self.end) - self.track.row.length

    @property
    def hidden(self) -> bool:
        """Whether last hidden states are wanted, behind the logits."""
        request = self.request
        if isinstance(request, Inquiry):
            return self.leaf in request.hidden
        gate = request.cursor.group.gate
        return gate is not None and gate.hidden and self.leaf in request.cursor.group.lead

    def feed(self) -> Feed:
        row = self.track.row
        if self.marks and self.marks[0] <= row.length:
            self.track.leaf.runner.rows.crop(row, self.marks[0] - 1)
        keep = [mark - 1 - row.length for mark in self.marks]
        return Feed(row, self.track.ids[row.length : self.end], keep)

    def chunk(self) -> Feed:
        start = self.track.row.length
        return Feed(self.track.row, self.track.ids[start : start + _CHUNK], ())


def tick(requests: Sequence[Request]) -> dict[Request, Answer]:
    """Answer the requests that can be after one pass of each model; the others stay as they are."""
    answers: dict[Request, Answer] = {}
    passes: dict[tuple[Runner, int], list[tuple[_Part, Feed]]] = {}
    ready: dict[tuple[Group, type | None], list[tuple[Request, list[_Part]]]] = {}
    for request in due(requests):
        parts = _parts(request)
        late = [part for part in parts if part.lead > _CHUNK]
        for part in late or parts:
            feed = part.chunk() if late else part.feed()
            if feed.ids:
                leaf = part.track.leaf
                passes.setdefault((leaf.runner, leaf.lane), []).append((part, feed))
        if not late:
            kind = type(request) if isinstance(request, Inquiry) else None
            ready.setdefault((request.cursor.group, kind), []).append((request, parts))
    logits = {at: _pass(at[0], lines, answers) for at, lines in passes.items()}
    for (group, kind), asked in ready.items():
        good = [(request, parts) for request, parts in asked if request not in answers]
        try:
            (_inquire if kind else _answer)(group, good, logits, answers)
        except Exception as error:  # noqa: BLE001  # idem
            answers.update((request, error) for request, _ in good)
    return {request: a for request, a in answers.items() if not isinstance(a, Left)}


def _parts(request: Request) -> list[_Part]:
    return [
        _Part(request, leaf, track, *_marks(request, leaf, track))
        for leaf, track in request.cursor.tracks.items()
        if _reads(request, leaf)
    ]


def _reads(request: Request, leaf: int) -> bool:
    """Whether a leaf is to read: behind a gate, the first member's do, the others if it opens."""
    if isinstance(request, Inquiry):
        return request.reads(leaf)
    group = request.cursor.group
    if group.gate is None or not group.lazy or not isinstance(request, Draw):
        return True
    return (leaf in group.lead) != request.opened


def _marks(request: Request, leaf: int, track: Track) -> tuple[list[int], int]:
    """After how many tokens logits are wanted, and up to where the model reads."""
    if isinstance(request, Inquiry):
        return request.marks(leaf, track)
    whole = len(track.ids)
    if not isinstance(request, Read):
        return [whole], whole
    count = request.start
    marks = [
        whole if target == END else track.marks[count + n]
        for n, target in enumerate(request.targets)
    ]
    return marks, marks[-1] if marks else whole - 1


def _pass(
    runner: Runner, lines: list[tuple[_Part, Feed]], answers: dict[Request, Answer]
) -> Tensor | None:
    """One model's pass; whatever goes wrong is for those who asked for it."""
    try:
        return _step(runner, lines, answers)
    except Exception as error:  # noqa: BLE001  # idem
        answers.update((part.request, error) for part, _ in lines)
        return None


def _step(
    runner: Runner, lines: list[tuple[_Part, Feed]], answers: dict[Request, Answer]
) -> Tensor | None:
    """One pass; if it fails, one for each row, so that only those concerned fail."""
    out: Tensor | None
    before = [part.track.row.length for part, _ in lines]
    try:
        hidden = any(part.hidden for part, _ in lines)
        out = runner.step([feed for _, feed in lines], hidden=hidden)
    except Exception as error:  # noqa: BLE001  # whatever it is belongs to the jobs, not the loop
        if len(lines) == 1:
            part = lines[0][0]
            answers[part.request] = part.request.cursor.without(part.leaf, error)
            return None
        lines = [_again(*line, length) for line, length in zip(lines, before, strict=True)]
        parts = [_step(runner, [line], answers) for line in lines]
        lines = [line for line, out in zip(lines, parts, strict=True) if out is not None]
        out = _stacked([out for out in parts if out is not None]) if lines else None
    start = 0
    for part, feed in lines:
        part.at = start
        part.track.count.calls += 1
        start += len(feed.keep)
    return out


def _again(part: _Part, feed: Feed, before: int) -> tuple[_Part, Feed]:
    """The same to be read by a row that a failed pass may have cut back."""
    row = part.track.row
    lost = part.track.ids[row.length : before]
    return part, Feed(row, [*lost, *feed.ids], [len(lost) + at for at in feed.keep])


def _stacked(parts: Sequence[Tensor]) -> Tensor:
    """Rows put behind each other [row, widest]; only some hold hidden states behind the logits."""
    widest = max(part.shape[1] for part in parts)
    return torch.cat([pad(part, (0, widest - part.shape[1])) for part in parts])


def _inquire(
    group: Group,
    asked: list[tuple[Request, list[_Part]]],
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
    parts: Sequence[_Part], logits: dict[tuple[Runner, int], Tensor | None]
) -> dict[int, Tensor]:
    """One request's logits [mark, width] by leaf."""
    found: dict[int, Tensor] = {}
    for part in parts:
        out = logits.get((part.track.leaf.runner, part.track.leaf.lane))
        if part.marks and out is not None:
            width = None if part.hidden else part.track.leaf.runner.model.width
            found[part.leaf] = out[part.at : part.at + len(part.marks), :width]
    return found


def _answer(
    group: Group,
    asked: list[tuple[Request, list[_Part]]],
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
    asked: list[tuple[Request, list[_Part]]],
    logits: dict[tuple[Runner, int], Tensor | None],
) -> list[tuple[Request, list[_Part]]]:
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
    asked: Sequence[tuple[Request, list[_Part]]],
    logits: dict[tuple[Runner, int], Tensor | None],
) -> list[Tensor | None]:
    """For each leaf its logits [position, width]; positions that do not run it hold any."""
    return [_of_leaf(group, n, asked, logits) for n in range(len(group.leaves))]


def _of_leaf(
    group: Group,
    leaf: int,
    asked: Sequence[tuple[Request, list[_Part]]],
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
