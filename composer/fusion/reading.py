"""What each model reads for a request: which tokens, and after which of them logits are wanted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.fusion.requests.inquiry import Inquiry
from composer.fusion.requests.plain import END, Draw, Read
from composer.models.rows import Feed

if TYPE_CHECKING:
    from composer.fusion.cursor import Track
    from composer.fusion.requests.plain import Request

__all__ = ["Reading", "readings"]

_CHUNK = 512  # prompt tokens of one row in one tick: others need not wait for more


@dataclass(eq=False, slots=True)
class Reading:
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

    @property
    def late(self) -> bool:
        """Whether so much is to be read before that another tick is better."""
        return self.lead > _CHUNK

    def feed(self) -> Feed:
        """All that is to be read, cut back first where logits are wanted of what was read."""
        row = self.track.row
        if self.marks and self.marks[0] <= row.length:
            self.track.leaf.runner.rows.crop(row, self.marks[0] - 1)
        keep = [mark - 1 - row.length for mark in self.marks]
        return Feed(row, self.track.ids[row.length : self.end], keep)

    def chunk(self) -> Feed:
        """A first part of what is to be read."""
        start = self.track.row.length
        return Feed(self.track.row, self.track.ids[start : start + _CHUNK], ())


def readings(request: Request) -> list[Reading]:
    """What the models that a request runs read for it."""
    return [
        Reading(request, leaf, track, *_marks(request, leaf, track))
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
