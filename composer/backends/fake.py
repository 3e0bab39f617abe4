"""`fake(...)`: a model that is a pure function, for tests and examples."""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from composer.specs.declaration import Remote
from composer.values.capability import Capability
from composer.values.card import Card, Price, lacking
from composer.values.details import LikelyToken, TokenChoice
from composer.values.errors import ModelError
from composer.values.requests import Client, Sampling
from composer.values.results import Completion, Generated, Rewarded, Usage
from composer.values.thinking import Thinking

if TYPE_CHECKING:
    from collections.abc import Callable

    from composer.values.details import TokenDetail
    from composer.values.flow import Query
    from composer.values.requests import Generate, Reward

__all__ = ["Fake"]

WORDS = ("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heron", "inlet", "juniper")
LENGTH = 4


class Fake(Remote):
    """A model for tests: its answer depends only on the prompt, and on the seed when it samples.

    `says` is always its answer. From `among`, a greedy request gives the first answer and sampling
    a random one. `knows` has pairs of a piece of a question and its answer; they come before `says`
    and `among`. Without these, `style` decides: `hash` invents words, `echo` repeats the question.
    `confidence` is the probability of every token. `thinking` is the tag around thoughts, such as
    `think`, which are not part of the answer.
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
    thinking: str | None = Field(default=None, min_length=1)
    price: Price = None

    @property
    def reads_media(self) -> bool:
        """It answers to whatever it is asked."""
        return True

    @property
    def reasoning(self) -> Thinking | None:
        """The tag that the recipe names."""
        return None if self.thinking is None else Thinking((self.thinking,))

    def missing_detail(self, detail: TokenDetail) -> str:
        """Say that it has no ids; it tells all other tokens, since none could stand there."""
        return "has no token ids" if detail.ids else ""

    def card(self) -> Card:
        """It answers in text, and knows log-probabilities when it has a confidence."""
        able = Capability.TEXT | Capability.REWARD
        if self.confidence is not None:
            able |= Capability.LOGPROBS
        return Card(able, "fake", price=self.price, why=lacking("it is a fake model", has=able))

    def identity(self) -> str:
        """All of its options."""
        unsaid = {"thinking"} if self.thinking is None else set()
        return f"fake:{self.model_dump_json(exclude=unsaid)}"

    async def open(self, name: str) -> Client:
        """Open a client that answers by the declaration alone."""
        return FakeClient(self, name)

    def answer(self, query: Query, sampling: Sampling) -> str:
        """Return the answer to a query, whole."""
        answer = next((answer for piece, answer in self.knows if piece in query.text), self.says)
        if answer is not None:
            return answer
        draw = sampling.seed if sampling.temperature > 0 else None
        digest = _hash(self.seed, query.messages, draw)
        if self.among:
            return self.among[0 if draw is None else digest[0] % len(self.among)]
        if self.style == "echo":
            return query.text
        return " ".join(WORDS[byte % len(WORDS)] for byte in digest[:LENGTH])


class FakeClient(Client):
    """Answers as a declaration says, after its `seconds`, or fails."""

    tells_attempts = True

    def __init__(self, fake: Fake, name: str) -> None:
        self.fake, self.name = fake, name

    async def generate(
        self, request: Generate, on_text: Callable[[str], None] | None = None
    ) -> Generated:
        """Answer once for each seed."""
        await self._work()
        draws = tuple(self._draw(request, seed) for seed in request.seeds)
        if on_text is not None:
            for token in draws[0].tokens:
                on_text(token)
        return Generated(draws)

    async def reward(self, request: Reward) -> Rewarded:
        """Give 1 for a text that holds the fake's own answer, else a number that its hash gives."""
        await self._work()
        own = self.fake.answer(request.query, Sampling())
        hashes = (_hash(self.fake.seed, request.query.messages, text) for text in request.texts)
        pairs = zip(request.texts, hashes, strict=True)
        values = (1.0 if own in text else number[0] / 256 for text, number in pairs)
        return Rewarded(tuple(values), {self.name: Usage.at(self.fake.price, 1, 0, 0)})

    async def _work(self) -> None:
        import asyncio

        await asyncio.sleep(self.fake.seconds)
        if self.fake.fails:
            raise ModelError(
                "E701", f"`{self.name}` failed, because it is declared with `fails = true`"
            )

    def _draw(self, request: Generate, seed: int) -> Completion:
        fake, how = self.fake, request.sampling
        if how.temperature > 0:
            how = replace(how, seed=seed)
        text = fake.answer(request.query, how)
        tokens = _tokens(_before(how.stop, text) if how.stop else text)[: how.max_tokens]
        logs = (math.log(fake.confidence),) * len(tokens) if fake.confidence else ()
        read = sum(len(content.split()) for _, content in request.query.messages)
        usage = {self.name: Usage.at(fake.price, 1, read, len(tokens))}
        choices = _choices(tokens, logs) if request.detail is not None else ()
        text = "".join(tokens)
        return Completion(text, tuple(tokens), logs, fake.confidence, usage=usage, choices=choices)


def _before(stop: tuple[str, ...], text: str) -> str:
    """Return a text up to the first of the stop strings."""
    ends = [at for each in stop if (at := text.find(each)) >= 0]
    return text[: min(ends, default=len(text))]


def _choices(tokens: list[str], logs: tuple[float, ...]) -> tuple[TokenChoice, ...]:
    """Return the details of tokens: nothing else could stand in their places."""
    pairs = zip(tokens, logs, strict=False)
    likely = (LikelyToken(token.encode(), logprob) for token, logprob in pairs)
    return tuple(TokenChoice(each, (each,)) for each in likely)


def _hash(*parts: object) -> bytes:
    return hashlib.sha256(repr(parts).encode()).digest()


def _tokens(text: str) -> list[str]:
    """Cut a text into words, each with the space before it."""
    words = text.split(" ")
    return [words[0], *(f" {word}" for word in words[1:])] if text else []
