"""An answer on its way: what has been written, how likely it is, and how it ended."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from composer.engine.text import TextStream
from composer.values.requests import Completion

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from composer.values.requests import Finish, Sampling, Usage

__all__ = ["GenerationState", "confidence"]


class GenerationState:
    """An answer on its way: its text, its entries' names and log-probabilities, how it ended."""

    def __init__(self, how: Sampling, on_text: Callable[[str], None] | None) -> None:
        self.sampling = how
        self.writer = TextStream(how.stop, on_text, keep_stop=how.keep_stop)
        self.tokens: list[str] = []
        self.logprobs: list[float] = []
        self.finish: Finish | None = None

    def add(self, piece: bytes, logprob: float, *, ends: bool = False) -> None:
        """Take a token; the end, a stop string or enough tokens finish the answer."""
        self.tokens.append(piece.decode(errors="replace"))
        self.logprobs.append(logprob)
        self.writer.add(piece, free=len(self.tokens) <= self.sampling.min_tokens)
        if ends or self.writer.stopped:
            self.finish = "stop"
        elif len(self.tokens) >= self.sampling.max_tokens:
            self.finish = "length"

    def close(self, usage: Mapping[str, Usage]) -> Completion:
        """The answer as it is given back."""
        text, certain = self.writer.close(), confidence(self.logprobs)
        finish = self.finish or "length"
        return Completion(text, tuple(self.tokens), tuple(self.logprobs), certain, finish, usage)


def confidence(logprobs: Sequence[float]) -> float | None:
    """The geometric mean probability of an answer's tokens."""
    return math.exp(math.fsum(logprobs) / len(logprobs)) if logprobs else None
