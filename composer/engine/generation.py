"""The state of an answer while it is generated: its text, its log-probabilities, how it ended."""

from __future__ import annotations

import codecs
import math
from typing import TYPE_CHECKING, Self

from composer.values.results import Completion

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from composer.values.details import TokenChoice, TokenDetail
    from composer.values.requests import Generate, Sampling
    from composer.values.results import Finish, Usage

__all__ = ["GenerationState", "TextStream", "confidence"]


class GenerationState:
    """An answer while it is generated: its text, tokens and log-probabilities, and how it ended.

    `finish` is None until the answer ends. `on_text` is called with each new piece of text, after
    `on_token` has been called with the tokens that it came from, where their details are wanted;
    `choices` has these. `detail` is what is wanted of each token; `sign` says who wrote it.
    """

    def __init__(
        self,
        sampling: Sampling,
        on_text: Callable[[str], None] | None,
        detail: TokenDetail | None = None,
        on_token: Callable[[TokenChoice], None] | None = None,
    ) -> None:
        self.sampling = sampling
        self.detail = detail
        self.sign: Callable[[TokenChoice], TokenChoice] = _unchanged
        self.choices: list[TokenChoice] = []
        self._on_token = on_token
        self.writer = TextStream(sampling.stop, on_text, keep_stop=sampling.keep_stop)
        self.tokens: list[str] = []
        self.logprobs: list[float] = []
        self.finish: Finish | None = None

    @classmethod
    def of(cls, job: Generate, on_text: Callable[[str], None] | None) -> Self:
        """Return the beginning of a job's answer."""
        return cls(job.sampling, on_text, job.detail, job.on_token)

    def choose(self, choice: TokenChoice | None) -> None:
        """Add the details of a token, where they are wanted."""
        if choice is not None:
            self.choices.append(self.sign(choice))
            if self._on_token is not None:
                self._on_token(self.choices[-1])

    def add(
        self,
        piece: bytes,
        logprob: float,
        *,
        ends: bool = False,
        choice: TokenChoice | None = None,
    ) -> None:
        """Add a token's bytes; `ends` says that it ends the answer, `choice` are its details.

        A stop string or `max_tokens` ends the answer, too.
        """
        self.choose(choice)
        self.tokens.append(piece.decode(errors="replace"))
        self.logprobs.append(logprob)
        self.writer.add(piece, free=len(self.tokens) <= self.sampling.min_tokens)
        if ends or self.writer.stopped:
            self.finish = "stop"
        elif len(self.tokens) >= self.sampling.max_tokens:
            self.finish = "length"

    def close(self, usage: Mapping[str, Usage]) -> Completion:
        """Return the completion."""
        text, certainty = self.writer.close(), confidence(self.logprobs)
        finish = self.finish or "length"
        tokens, logprobs, choices = tuple(self.tokens), tuple(self.logprobs), tuple(self.choices)
        choices = choices if len(choices) == len(tokens) else ()  # some server did not tell all
        return Completion(text, tokens, logprobs, certainty, finish, usage, choices=choices)


class TextStream:
    """Turns an answer's bytes into text, up to the first stop string, and emits it piece by piece.

    Emitted text is never taken back: incomplete characters, and text that may be the beginning of
    a stop string, are held back. With `keep_stop` the stop string is part of the text.
    """

    def __init__(
        self,
        stop: Sequence[str] = (),
        emit: Callable[[str], None] | None = None,
        *,
        keep_stop: bool = False,
    ) -> None:
        self.text = ""
        self.stopped = False
        self._stop = [s for s in stop if s]
        self._keep_stop = keep_stop
        self._emit = emit
        self._sent = 0
        self._free = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    @property
    def whole(self) -> bool:
        """Whether the bytes so far end with a whole character."""
        return not self._decoder.getstate()[0]

    def add(self, piece: bytes, *, last: bool = False, free: bool = False) -> None:
        """Add bytes; stop if a stop string is complete, and emit the text that is certain.

        `free` bytes complete no stop string. `last` says that nothing follows.
        """
        new = self._decoder.decode(piece, last)
        if self.stopped:
            return
        if free:
            self.text += new
            self._free = len(self.text)
        else:
            self._cut(new)
        held = 0 if last or self.stopped else self._held()
        end = len(self.text) - held
        if self._emit is not None and end > self._sent:
            self._emit(self.text[self._sent : end])
        self._sent = max(self._sent, end)

    def close(self) -> str:
        """Emit the text that was held back; return the whole text."""
        self.add(b"", last=True)
        return self.text

    def _cut(self, new: str) -> None:
        """Append text, up to the first stop string."""
        longest = max((len(s) for s in self._stop), default=0)
        start = max(0, len(self.text) - longest + 1)
        self.text += new
        starts = {s: max(start, self._free - len(s) + 1) for s in self._stop}
        stops = [(at, len(s)) for s, n in starts.items() if (at := self.text.find(s, n)) >= 0]
        if stops:
            at, length = min(stops)
            self.text = self.text[: at + length if self._keep_stop else at]
            self.stopped = True

    def _held(self) -> int:
        """How many characters at the end may be the beginning of a stop string."""
        tail = max((len(s) for s in self._stop), default=1) - 1
        lengths = range(min(tail, len(self.text)), 0, -1)
        return next((n for n in lengths if self._begins(self.text[-n:])), 0)

    def _begins(self, tail: str) -> bool:
        return any(s.startswith(tail) for s in self._stop)


def _unchanged(choice: TokenChoice) -> TokenChoice:
    return choice


def confidence(logprobs: Sequence[float]) -> float | None:
    """The geometric mean probability of an answer's tokens."""
    return math.exp(math.fsum(logprobs) / len(logprobs)) if logprobs else None
