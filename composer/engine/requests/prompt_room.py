"""How much of the prompts one step reads while other rows write, so that these need not wait."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from composer.engine.requests.reading import chunk_size

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from composer.engine.requests.base import AnyRequest, Batch
    from composer.engine.requests.reading import ForwardPass, Reading
    from composer.engine.rows.row import Feed

__all__ = ["PromptRoom"]

_FEW = 8  # tokens that a row which writes may have to read: those of one entry, or of a draft


class PromptRoom:
    """The room for prompts in a step that answers `waiting`: one chunk for each model.

    The first prompt has room, whatever its length. Others have it if they fit beside it, or if no
    row writes. A prompt that several rows read counts once.
    """

    def __init__(self, waiting: Batch) -> None:
        self._waiting = waiting
        self._spent: dict[ForwardPass, int] = {}
        self._read: set[Hashable] = set()

    def admits(self, feeds: Sequence[tuple[Reading, Feed]]) -> bool:
        """Whether a request may read all this now; then it has taken its room."""
        costs = {
            (reading.forward_pass, tuple(feed.ids)): (reading, len(feed.ids))
            for reading, feed in feeds
            if len(feed.ids) > _FEW
        }
        if not costs or not self._writing:
            return True
        new = {content: cost for content, cost in costs.items() if content not in self._read}
        if not all(self._fits(reading, count) for reading, count in new.values()):
            return False
        for reading, count in new.values():
            place = reading.forward_pass
            self._spent[place] = self._spent.get(place, 0) + count
        self._read |= new.keys()
        return True

    def _fits(self, reading: Reading, count: int) -> bool:
        spent = self._spent.get(reading.forward_pass, 0)
        return not spent or spent + count <= chunk_size(reading.state.slot.runner.model.device)

    @cached_property
    def _writing(self) -> bool:
        """Whether some row has read its prompt, and writes."""
        return any(map(_writes, self._waiting))


def _writes(request: AnyRequest) -> bool:
    states = request.sequence.states.values()
    return all(len(state.ids) - state.row.length <= _FEW for state in states)
