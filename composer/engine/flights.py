"""Requests whose servers are being asked: they wait here while the engine goes on with others.

First each server tells the likeliest tokens. Where all likeliest tokens of all members can be asked
for by their ids, the members that did not tell them are asked again, so that the fused distribution
is exact over them. That is left out where it cannot change a greedy choice. Where ids cannot be
asked for, the probability that a member has left is spread evenly over its other tokens.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from composer.engine.distribution import Aligned, Distributions, MemberWeight
from composer.engine.fuse_tree import FuseNode, ModelNode
from composer.engine.requests.draw import Draw
from composer.engine.rows.remote import Question, RemoteRow, RemoteRunner
from composer.engine.sample import likeliest
from composer.heavy import torch

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torch import Tensor

    from composer.engine.group import Group
    from composer.engine.requests.base import AnyRequest, Batch, Replies
    from composer.engine.requests.reading import MemberLogits, Reading

__all__ = ["Flight", "Flights"]

Known = dict[int, float]
"""Log-probabilities (nats) by token id."""


@dataclass(eq=False)
class Flight:
    """A request, the logits of its models in this process, and what its servers were asked.

    `questions[slot]` has one for each position; `known` what their replies told, and `highest` what
    a token can have at most that is not among the likeliest (nats). `missing[slot]` has the tokens
    that another member found likely and this one did not tell. `chosen` says that these were asked
    for, `decided` that they do not change the choice, and `certain` that they do not change its
    probability either.
    """

    request: AnyRequest
    logits: MemberLogits
    questions: dict[int, list[Question]]
    known: dict[int, list[Known]] = field(default_factory=dict)
    highest: dict[int, list[float]] = field(default_factory=dict)
    missing: dict[int, list[list[int]]] = field(default_factory=dict)
    chosen: bool = False
    certain: bool = False
    decided: bool = False

    @property
    def group(self) -> Group:
        """The group of the request's sequence."""
        return self.request.sequence.group

    @property
    def answered(self) -> bool:
        """Whether all questions have been answered."""
        return all(each.answered for asked in self.questions.values() for each in asked)

    @property
    def failure(self) -> tuple[int, Exception] | None:
        """The slot and the error of a question that failed, if one did."""
        pairs = ((slot, each.error) for slot, asked in self.questions.items() for each in asked)
        return next(((slot, error) for slot, error in pairs if error is not None), None)

    def runner(self, slot: int) -> RemoteRunner:
        """What asks the server of a slot."""
        runner = self.group.slots[slot].runner
        assert isinstance(runner, RemoteRunner)
        return runner

    def learn(self) -> None:
        """Take what the replies told."""
        for slot, asked in self.questions.items():
            told = [dict(each.reply.logprobs) if each.reply else {} for each in asked]
            before = self.known.setdefault(slot, [{} for _ in asked])
            width = self.runner(slot).model.width
            for known, new in zip(before, told, strict=True):
                known |= {token: value for token, value in new.items() if token < width}
            if slot not in self.highest:
                self.highest[slot] = [min(known.values(), default=0.0) for known in before]

    def note_gap(self) -> None:
        """Note what the servers left untold, once the request's options have changed the logits."""
        if not self.certain:
            how = self.request.processing
            changed = how is not None and any(self.group.processors(how))
            rows = [self.logits.kept[slot] for slot in self.known]
            shares = [
                (row[:, -1] - row.logsumexp(-1) if changed else row[:, -1]).exp().amax()
                for row in rows
            ]
            self.request.sequence.note_gap(max(map(float, shares)))


class Flights:
    """The flights of an engine; `arrived` gives those that have all they need."""

    def __init__(self) -> None:
        self._open: dict[AnyRequest, Flight] = {}
        self._runners: dict[RemoteRunner, None] = {}

    def __contains__(self, request: AnyRequest) -> bool:
        return request in self._open

    def __bool__(self) -> bool:
        return bool(self._open)

    @property
    def requests(self) -> Batch:
        """The requests that fly."""
        return list(self._open)

    def start(self, request: AnyRequest, logits: MemberLogits, remote: Sequence[Reading]) -> None:
        """Ask the servers for a request; `logits` are those of its other models, which are kept."""
        logits.keep()
        questions = {
            reading.slot: [_question(request, reading, position) for position in reading.positions]
            for reading in remote
        }
        self._open[request] = Flight(request, logits, questions)
        self._ask(self._open[request])

    def forget(self, requests: Iterable[AnyRequest]) -> None:
        """Forget all flights but those of some requests: nobody waits for the others any more."""
        still = set(requests)
        for flight in [f for request, f in self._open.items() if request not in still]:
            del self._open[flight.request]
            for slot, questions in flight.questions.items():
                flight.runner(slot).forget(questions)

    def arrived(self, replies: Replies) -> list[Flight]:
        """Return the flights that have all they need; those with an error are replied to."""
        for runner in self._runners:
            runner.collect()
        landed = [flight for flight in self._open.values() if flight.answered]
        sound: list[Flight] = []
        for flight in landed:
            del self._open[flight.request]
            failure = flight.failure
            if failure is None:
                flight.learn()
                sound.append(flight)
            else:
                replies.fail(flight.request, _drop(flight, *failure))
        again = _second_questions([flight for flight in sound if not flight.chosen])
        for flight in again:
            self._open[flight.request] = flight
            self._ask(flight)
        complete = [flight for flight in sound if flight not in again]
        _find_certain([flight for flight in complete if not flight.decided])
        for flight in complete:
            _fill(flight)
        return complete

    @property
    def unsent(self) -> bool:
        """Whether something waits that could be sent now."""
        return any(runner.unsent for runner in self._runners)

    def send(self, *, more: bool) -> None:
        """Send what waits to the servers; `more` says that other questions are about to come."""
        for runner in self._runners:
            runner.send(more=more)
        self._runners = {runner: None for runner in self._runners if not runner.idle}

    def _ask(self, flight: Flight) -> None:
        for slot, questions in flight.questions.items():
            runner = flight.runner(slot)
            self._runners[runner] = None
            for question in questions:
                runner.ask(question)


def _question(request: AnyRequest, reading: Reading, position: int) -> Question:
    """Ask what follows the first tokens of a member."""
    state = reading.state
    assert isinstance(state.row, RemoteRow)
    last = position == reading.positions[-1]
    ahead = min(request.ahead, max(state.remaining_context, 0) + 1) if last else 1
    return Question(state.row, tuple(state.ids[:position]), state.counts, ahead=ahead)


def _second_questions(flights: Sequence[Flight]) -> list[Flight]:
    """Find what members have to be asked for by ids; return the flights that ask it."""
    asking: list[Flight] = []
    for flight in flights:
        flight.missing = _missing_tokens(flight)
        if any(
            any(rows) and flight.runner(slot).access.chosen for slot, rows in flight.missing.items()
        ):
            asking.append(flight)
    _find_certain(asking)
    asking = [flight for flight in asking if not flight.decided]
    for flight in asking:
        flight.chosen = True
        flight.questions = {
            slot: [
                Question(old.row, old.prompt, old.counts, tuple(tokens))
                for old, tokens in zip(flight.questions[slot], rows, strict=True)
            ]
            for slot, rows in flight.missing.items()
            if any(rows) and flight.runner(slot).access.chosen
        }
    return asking


def _missing_tokens(flight: Flight) -> dict[int, list[list[int]]]:
    """For each slot and position, the tokens of the others' likeliest entries that are not known.

    Entries that the request itself is about are wanted, too.
    """
    group, count = flight.group, len(flight.group.space)
    top = max(flight.runner(slot).access.top for slot in flight.known)
    positions = max(map(len, flight.known.values()))
    entries: list[set[int]] = [set(flight.request.wanted_entries(n)) for n in range(positions)]
    for slot, rows in flight.known.items():
        table = group.entry_of[slot]
        for union, known in zip(entries, rows, strict=True):
            union.update(table[token] for token in known)
    for slot, logits in flight.logits.kept.items():
        for union, row in zip(entries, logits, strict=True):
            union.update(group.likely_entries(slot, row, top))
    if isinstance(flight.request, Draw):
        for slot, logits in flight.request.earlier_logits.items():
            entries[0].update(group.likely_entries(slot, logits[0], top))
    boosted = _boosted_tokens(flight)
    missing: dict[int, list[list[int]]] = {}
    for slot, rows in flight.known.items():
        tokens_of = group.token_of[slot]
        missing[slot] = [
            sorted(
                {tokens_of[e] for e in union if e < count and tokens_of[e] >= 0}.union(
                    boosted[slot]
                )
                - known.keys()
            )
            for union, known in zip(entries, rows, strict=True)
        ]
    return missing


def _boosted_tokens(flight: Flight) -> dict[int, frozenset[int]]:
    """For each slot, the tokens that the request's options make likelier."""
    processing, group = flight.request.processing, flight.group
    if processing is None:
        return dict.fromkeys(flight.known, frozenset())
    states, raised = flight.request.sequence.states, group.raised(processing)
    return {
        slot: raised[slot].among(states[slot].ids[states[slot].answer_start :])
        for slot in flight.known
    }


def _find_certain(flights: Sequence[Flight]) -> None:
    """Find the flights that draw greedily an entry which no unknown probability can beat."""
    by_group: dict[Group, list[Flight]] = {}
    for flight in flights:
        if isinstance(flight.request, Draw) and _is_bounded(flight.request):
            by_group.setdefault(flight.group, []).append(flight)
    for group, same in by_group.items():
        low = _fused(group, same, upper=False)
        high = _fused(group, same, upper=True)
        best = likeliest(low)[:, None]
        others = high.scatter(1, best, -torch.inf).amax(-1)
        beaten = low.gather(1, best)[:, 0] > others
        for flight, entry, sure in zip(same, best[:, 0].tolist(), beaten.tolist(), strict=True):
            flight.decided = sure
            flight.certain = sure and group.is_linear and _is_exact(flight, entry)


def _is_bounded(request: Draw) -> bool:
    """Whether a greedy choice can be certain though some probabilities are not known.

    That is so if an entry's score grows with what each member gives to it, and depends on nothing
    else.
    """
    group = request.sequence.group
    root = group.root
    return (
        request.sampling.temperature == 0
        and not (request.detail is not None and request.detail.ids)
        and not any(group.processors(request.sampling.processing))
        and isinstance(root, FuseNode)
        and all(isinstance(child, ModelNode) for child in root.children)
        and root.maps is None
        and root.combine.monotone
        and not (root.plausible or root.weigh or root.gate)
        and all(weight >= 0 for weight in request.weights)
    )


def _is_exact(flight: Flight, entry: int) -> bool:
    """Whether all members told an entry's probability, so that the fused one is exact."""
    token_of = flight.group.token_of
    return all(token_of[slot][entry] in rows[0] for slot, rows in flight.known.items())


def _fused(group: Group, flights: Sequence[Flight], *, upper: bool) -> Tensor:
    """Scores [flight, entry]; what is not known is 0, or with `upper` as large as it can be."""
    root = group.root
    assert isinstance(root, FuseNode)
    width = len(group.space)
    members: list[Distributions] = []
    weights: list[MemberWeight] = []
    for place, child in enumerate(root.children):
        slot = child.slots.start
        rows = [_row(flight, slot, width, upper=upper) for flight in flights]
        members.append(Distributions(torch.cat(rows), normalizer=torch.zeros(len(rows))))
        weights.append(
            MemberWeight([f.request.sequence.weights[place] for f in flights], group.device, place)
        )
    return root.combine.combine(Aligned(members, width), weights).log_scores()


def _row(flight: Flight, slot: int, width: int, *, upper: bool) -> Tensor:
    """A member's log-probabilities [1, width]."""
    if slot not in flight.known:
        logits = flight.logits.kept.get(slot)
        return torch.zeros(1, width) if logits is None else logits.log_softmax(-1)[:, :width]
    (known,) = flight.known[slot]
    unknown = flight.highest[slot][0] if upper else -math.inf
    row = torch.full((1, flight.runner(slot).columns), unknown)
    row[0, list(known)] = torch.tensor(list(known.values()))
    return row[:, :width]


def _drop(flight: Flight, slot: int, error: Exception) -> Exception:
    """Drop a member that failed; an empty budget or a closed client is no fault of its own."""
    if getattr(error, "code", "") in {"E707", "E709"}:
        return error
    return flight.request.sequence.drop(slot, error)


def _fill(flight: Flight) -> None:
    """Make the logits [position, column] of the servers' models of what is known of them."""
    for slot, rows in flight.known.items():
        columns = flight.runner(slot).columns
        logits = torch.full((len(rows), columns), -torch.inf)
        for n, known in enumerate(rows):
            rest = max(0.0, 1.0 - math.fsum(map(math.exp, known.values())))
            unknown = [token for token in flight.missing[slot][n] if token not in known]
            others = columns - 1 - len(known)
            share = rest / others if others else 0.0
            logits[n, list(known)] = torch.tensor(list(known.values()))
            if unknown and share:
                logits[n, unknown] = math.log(share)
                rest = max(0.0, rest - share * len(unknown))
            logits[n, -1] = math.log(rest) if rest and others else -math.inf
        flight.logits.kept[slot] = logits
