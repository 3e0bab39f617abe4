"""Which request is where: each is answered once or failed once, in whatever order replicas die.

A request that was under way on a replica when that died is put again, before all others. What was
under way at two deaths may be their cause: a suspect. It is left out if it was alone at the second
one. Otherwise it goes on, but a replica has at most one suspect from then on; so it is left out
only after two more deaths. Replicas die for other reasons, too: were a request left out at the
first death beside which it stood alone among suspects, five kills in a run of 1,000 requests would
take two or three of them.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["RequestLedger"]

SUSPECT = 2
"""Deaths at which a request was under way from which on it may be their cause."""

CAUSE = 4
"""Deaths from which on it is taken for their cause, whatever else was under way."""

Item = TypeVar("Item")
Replica = TypeVar("Replica")


@dataclass(eq=False, slots=True)
class Entry(Generic[Item, Replica]):
    """A request: which queue or replica has it, since when, and at how many deaths it was there."""

    item: Item
    queue: OrderedDict[int, None] | None
    since: float
    replica: Replica | None = None
    deaths: int = 0


class RequestLedger(Generic[Item, Replica]):
    """The requests of a pool by their numbers: those that wait, and those that a replica has."""

    def __init__(self) -> None:
        self._entries: dict[int, Entry[Item, Replica]] = {}
        self._suspects: OrderedDict[int, None] = OrderedDict()
        self._again: OrderedDict[int, None] = OrderedDict()
        self._new: OrderedDict[int, None] = OrderedDict()
        self._held: dict[Replica, dict[int, Entry[Item, Replica]]] = {}

    @property
    def waiting(self) -> int:
        """How many requests wait for a replica."""
        return len(self._suspects) + len(self._again) + len(self._new)

    def oldest(self) -> float | None:
        """Return since when the request waits that has waited longest, None where none does."""
        queues = (self._suspects, self._again, self._new)
        firsts = (next(iter(queue)) for queue in queues if queue)
        return min((self._entries[number].since for number in firsts), default=None)

    def held(self, replica: Replica) -> int:
        """Return how many requests a replica has."""
        return len(self._held.get(replica, ()))

    def numbers(self) -> list[int]:
        """Return the numbers of all requests that are not done."""
        return list(self._entries)

    def add(self, number: int, item: Item, now: float) -> None:
        """Let a new request wait."""
        self._entries[number] = Entry(item, self._new, now)
        self._new[number] = None

    def item(self, number: int) -> Item | None:
        """Return a request, None where it is done."""
        entry = self._entries.get(number)
        return None if entry is None else entry.item

    def replica(self, number: int) -> Replica | None:
        """Return the replica that has a request, None where it waits or is done."""
        entry = self._entries.get(number)
        return None if entry is None else entry.replica

    def give(self, replica: Replica) -> tuple[int, Item] | None:
        """Give a replica the request that is next for it; None where there is none."""
        held = self._held.setdefault(replica, {})
        free = not any(entry.deaths >= SUSPECT for entry in held.values())
        queue = (self._suspects if free else None) or self._again or self._new
        if not queue:
            return None
        number, _ = queue.popitem(last=False)
        entry = held[number] = self._entries[number]
        entry.queue, entry.replica = None, replica
        return number, entry.item

    def done(self, number: int) -> Item | None:
        """Forget a request that has ended; return it, None where that was so before."""
        entry = self._entries.pop(number, None)
        if entry is None:
            return None
        if entry.queue is not None:
            del entry.queue[number]
        elif entry.replica is not None:
            del self._held[entry.replica][number]
        return entry.item

    def lost(
        self, replica: Replica, now: float, *, blameless: bool = False
    ) -> tuple[list[int], int | None]:
        """Put again what a replica had that died; return the numbers, and the cause if it shows.

        The cause is not put again. Where the machine was lost, its requests are `blameless`.
        """
        held = self._held.pop(replica, {})
        for entry in held.values():
            entry.replica, entry.since = None, now
            entry.deaths += not blameless
        cause = None if blameless else _cause(held)
        again = [number for number in held if number != cause]
        for number in again:
            entry = held[number]
            entry.queue = self._suspects if entry.deaths >= SUSPECT else self._again
            entry.queue[number] = None
        return again, cause


def _cause(held: dict[int, Entry[Item, Replica]]) -> int | None:
    """Return the request that is to be left out, if there is one."""
    enough = SUSPECT if len(held) == 1 else CAUSE
    return next((number for number, entry in held.items() if entry.deaths >= enough), None)
