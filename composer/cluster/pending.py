"""A request that a pool has been asked: who waits for it, and what was shown of its answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from composer.values import ModelError

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Callable

    from composer.values.details import TokenChoice
    from composer.values.ledger import Ledger

__all__ = ["PendingRequest", "Stream"]


class Stream:
    """The pieces of an answer that are shown while it is written, each once.

    An answer that is begun again on another replica is the same, since its seed is; what was shown
    is not shown again. Raises ModelError (E701) where it has become another one.
    """

    def __init__(
        self, on_text: Callable[[str], None] | None, on_token: Callable[[TokenChoice], None] | None
    ) -> None:
        self._on_text, self._on_token = on_text, on_token
        self._text, self._tokens = "", list[bytes]()
        self._text_again, self._tokens_again = "", list[bytes]()

    def restart(self) -> None:
        """The answer is begun again."""
        self._text_again, self._tokens_again = self._text, [*self._tokens]

    def piece(self, text: str) -> None:
        """Show a piece of text, but for what was shown."""
        count = min(len(text), len(self._text_again))
        _demand(text[:count] == self._text_again[:count])
        self._text_again = self._text_again[count:]
        if new := text[count:]:
            self._text += new
            if self._on_text is not None:
                self._on_text(new)

    def token(self, choice: TokenChoice) -> None:
        """Show a token, unless it was shown."""
        if self._tokens_again:
            _demand(self._tokens_again.pop(0) == choice.chosen.piece)
            return
        self._tokens.append(choice.chosen.piece)
        if self._on_token is not None:
            self._on_token(choice)

    def end(self) -> None:
        """The answer has ended: all that was shown must have come again."""
        _demand(not self._text_again and not self._tokens_again)


@dataclass(eq=False)
class PendingRequest:
    """A request as a message, which model it is put to, and the future of its result.

    What becomes of it is noted in its `ledger`; a `stream` shows its answer as it is written.
    """

    message: bytes
    model: str
    future: Future[Any]
    ledger: Ledger
    stream: Stream

    def restart(self, reason: str) -> None:
        """Note that it is put again, and why."""
        self.ledger.note(f"`{self.model}` is asked again: {reason}")
        self.stream.restart()

    def succeed(self, result: object) -> None:
        """Give the result to who waits."""
        if not self.future.done():
            self.future.set_result(result)

    def fail(self, error: Exception) -> None:
        """Raise an error where the result is awaited."""
        if not self.future.done():
            self.future.set_exception(error)


def _demand(same: bool) -> None:  # noqa: FBT001 - a test and nothing else
    if not same:
        raise ModelError(
            "E701",
            "the replica that wrote this answer died, and another one writes other words than "
            "those that were shown",
            "ask again",
        )
