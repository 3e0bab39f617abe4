"""`fake(...)`: a model that is a pure function, for tests and examples."""

from __future__ import annotations

import hashlib
import math
from typing import ClassVar, Literal

from pydantic import Field

from composer.models.capability import Capability
from composer.models.card import Card, Price, lacking
from composer.models.checkpoint import ModelError
from composer.models.declaration import Declaration
from composer.ports.asking import Sampling, Usage
from composer.ports.values import Query, Text

__all__ = ["Fake"]

WORDS = ("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heron", "inlet", "juniper")
LENGTH = 4


class Fake(Declaration):
    """A model that is a pure function of the prompt, and of the seed when it draws.

    `says` is always its answer. Of `among` greedy asking gives the first and drawing any. `knows`
    holds pairs: a piece of a question, and the answer to it; they go before the others. Without
    any, the style decides: `hash` makes words up, `echo` repeats the question. `confidence` is
    the probability of every token.
    """

    name: ClassVar[str] = "fake"

    says: str | None = None
    among: tuple[str, ...] = ()
    knows: tuple[tuple[str, str], ...] = ()
    style: Literal["hash", "echo"] = "hash"
    confidence: float | None = Field(default=None, gt=0, le=1)
    seed: int = 0
    fails: bool = False
    seconds: float = Field(default=0.0, ge=0)
    price: Price = None

    def card(self) -> Card:
        """It answers in text, and knows log-probabilities when it has a confidence."""
        able = Capability.TEXT
        if self.confidence is not None:
            able |= Capability.LOGPROBS
        return Card(able, "fake", price=self.price, why=lacking("it is a fake", has=able))

    def identity(self) -> str:
        """All of its options."""
        return f"fake:{self.model_dump_json()}"

    def member(self, name: str) -> Fake:
        """It is its own handle."""
        del name
        return self

    async def generate(self, query: Query, sampling: Sampling, source: str) -> tuple[Text, Usage]:
        """Answer after `seconds`, or fail."""
        import asyncio

        await asyncio.sleep(self.seconds)
        if self.fails:
            raise ModelError("E701", f"`{source}` failed, as its declaration asks")
        tokens = _tokens(self._answer(query, sampling))[: sampling.max_tokens]
        text = "".join(tokens)
        logs = (math.log(self.confidence),) * len(tokens) if self.confidence else ()
        read = sum(len(said.split()) for _, said in query.messages)
        said = Text(query, text, source, tuple(tokens), logs, self.confidence)
        return said, self._usage(read, len(tokens))

    def _usage(self, read: int, written: int) -> Usage:
        cost = (read * self.price[0] + written * self.price[1]) / 1e6 if self.price else 0.0
        return Usage(1, read, written, cost)

    def _answer(self, query: Query, sampling: Sampling) -> str:
        known = next((answer for piece, answer in self.knows if piece in query.text), self.says)
        if known is not None:
            return known
        draw = sampling.seed if sampling.temperature > 0 else None
        digest = hashlib.sha256(repr((self.seed, query.messages, draw)).encode()).digest()
        if self.among:
            return self.among[0 if draw is None else digest[0] % len(self.among)]
        if self.style == "echo":
            return query.text
        return " ".join(WORDS[byte % len(WORDS)] for byte in digest[:LENGTH])


def _tokens(text: str) -> list[str]:
    """Cut a text into words, each with the space before it."""
    words = text.split(" ")
    return [words[0], *(f" {word}" for word in words[1:])] if text else []
