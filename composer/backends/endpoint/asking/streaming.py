"""An answer that comes as a stream of events, put together and checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.backends.endpoint.asking.answers import text_stream
from composer.backends.endpoint.asking.replies import Choice, Position, numbered, spent
from composer.backends.endpoint.faults import BadReplyError
from composer.values.results import Usage

if TYPE_CHECKING:
    from composer.values.card import Price
    from composer.values.flow import JSON
    from composer.values.requests import Sampling

__all__ = ["StreamedAnswer"]

UNCOUNTED = Usage(calls=1, unpriced=1)


class StreamedAnswer:
    """One answer, read event by event; text that may begin a stop string is held back.

    `choice` and `usage` are whole when the stream has ended; `tail` is what was held back then.
    """

    def __init__(self, sampling: Sampling, price: Price) -> None:
        self._sampling, self._price = sampling, price
        self.begin()

    def begin(self) -> None:
        """Forget what was read."""
        self._pieces: list[Choice] = []
        self._usage, self._finish = UNCOUNTED, ""
        self._certain: list[str] = []
        self._new: list[Position] = []
        self._text = text_stream(self._sampling, self._certain.append)

    def add(self, event: dict[str, JSON]) -> str:
        """Take an event; return the text in it that may be shown."""
        if event.get("usage") is not None:
            self._usage = spent(event, self._price)
        for number, piece in numbered(event).items():
            if number:
                raise BadReplyError("the stream has several answers, and one was asked for")
            self._pieces.append(piece)
            self._finish = piece.finish or self._finish
            self._text.add((piece.text or piece.refusal).encode(errors="replace"))
            self._new += piece.positions if piece.text or piece.refusal else ()
        return self._shown()

    def end(self) -> None:
        """Check that the answer has ended."""
        if not self._finish:
            raise BadReplyError("the stream ended without a `finish_reason`")

    @property
    def tail(self) -> str:
        """The text that was held back until the end."""
        self._text.close()
        return self._shown()

    def take_positions(self) -> list[Position]:
        """Return the tokens of texts that have come since they were taken last."""
        new, self._new = self._new, []
        return new

    @property
    def usage(self) -> Usage:
        """What the answer took."""
        return self._usage

    @property
    def choice(self) -> Choice:
        """The whole answer."""
        pieces = self._pieces
        return Choice(
            "".join(each.text for each in pieces),
            self._finish,
            tuple(position for each in pieces for position in each.positions),
            "".join(each.thoughts for each in pieces),
            "".join(each.refusal for each in pieces),
        )

    def _shown(self) -> str:
        new = "".join(self._certain)
        self._certain.clear()
        return new
