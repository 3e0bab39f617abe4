"""The kinds of parts that a span fuse is made of, and the methods that it calls on them."""

from __future__ import annotations

import codecs
import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

from composer.engine.sessions.graphemes import is_between_graphemes
from composer.values.finite import summed
from composer.values.typed import Typed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from composer.values.details import LikelyToken, TokenChoice
    from composer.values.flow import Query

__all__ = [
    "Boundary",
    "Branching",
    "Exit",
    "Exits",
    "Filter",
    "Measure",
    "Reading",
    "ScoredRound",
    "SpanText",
    "SpanWeigh",
    "SpanWeights",
    "Splitter",
    "margin_of",
]


class Splitter(Protocol):
    """A tokenizer, as far as a boundary asks it: `Vocabulary` is one."""

    fingerprint: str

    def writes(self, piece: bytes) -> bool:
        """Whether some tokens spell these bytes."""

    def extend(self, piece: bytes) -> tuple[int, ...]:
        """Return the tokens of these bytes, which go on from an earlier text."""

    def piece(self, token: int) -> bytes:
        """Return the bytes of a token."""


class SpanText:
    """What a member has written since a span began.

    `before` is the answer up to there, `text` what follows. `starts` has, for each token, the place
    in `text` where it begins, None inside a character; `margins` has how much likelier the
    likeliest token was there than the next one (probabilities), None where that is not known.
    `others` are the tokenizers of the other members, where a boundary reads them. Bytes that are no
    text are surrogates in `text`, so that no byte is lost.
    """

    def __init__(self, before: str = "", others: Sequence[Splitter] = ()) -> None:
        self.before, self.others = before, others
        self.text = ""
        self.starts: list[int | None] = []
        self.margins: list[float | None] = []
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")

    def add(self, piece: bytes, margin: float | None = None) -> None:
        """Add a token. The beginning of a character becomes text when the rest of it comes."""
        self.starts.append(None if self._decoder.getstate()[0] else len(self.text))
        self.margins.append(margin)
        self.text += self._decoder.decode(piece)

    def kept(self, end: int) -> int | None:
        """Return how many tokens a span has that is to end at a place.

        Tokens stay whole, and so do characters: a span goes on to the end of both. None where only
        the next token can tell where that is.
        """
        return next((n for n, place in self._ends() if place >= end), None)

    def most_kept(self, count: int) -> int:
        """Return how many of the first tokens end with a whole character, `count` at most.

        That is `count` itself where none of them does.
        """
        if count == len(self.starts) and not self._decoder.getstate()[0]:
            return count
        return max((n for n, _ in self._ends() if n <= count), default=count)

    def cut(self, boundary: Boundary) -> int | None:
        """Return how many tokens the span has, if it has ended."""
        end = boundary.end(self)
        if end is None:
            return None
        whole = end == len(self.text) and not self._decoder.getstate()[0]
        return len(self.starts) if whole else self.kept(end)

    def bytes_to(self, end: int) -> bytes:
        """Return the bytes of the text up to a place."""
        return self.text[:end].encode(errors="surrogateescape")

    def _ends(self) -> Iterator[tuple[int, int]]:
        """Yield how many tokens may stay, and where the last of them ends."""
        for n, place in enumerate(self.starts[1:], 1):
            visible = place is not None and 0 < place < len(self.text)
            if place is not None and visible and is_between_graphemes(self.text, place):
                yield n, place


class Boundary(Typed):
    """Where a span ends.

    `reads_tokens` says that the text alone is not enough: it reads where tokens begin, with
    `reads_margins` how sure each of them was, with `reads_tokenizers` those of the other members.
    """

    reads_tokens: ClassVar[bool] = False
    reads_margins: ClassVar[bool] = False
    reads_tokenizers: ClassVar[bool] = False

    @property
    def most_tokens(self) -> int | None:
        """How many tokens a span has at most, None if it may have any number."""
        return None

    @abstractmethod
    def end(self, span: SpanText) -> int | None:
        """Return where the span ends in its text, at the first such place; None while it goes on.

        Called after each token. To see an end it may need the token behind it, which is then not
        part of the span. An end inside a token is moved to the end of that token. Where a member's
        text comes as a whole, it is called once.
        """


class Branching(Typed):
    """With which tokens a member begins spans, where it is unsure.

    `top` is how many of the likeliest tokens it reads.
    """

    @property
    @abstractmethod
    def top(self) -> int:
        """How many of the likeliest tokens it reads."""

    @abstractmethod
    def firsts(self, choice: TokenChoice) -> Sequence[LikelyToken]:
        """Return the first token of each span to propose; none to write one span as usual.

        `choice` has the `top` likeliest tokens for the first place of the span.
        """


@dataclass(frozen=True, slots=True)
class Reading:
    """What a member made of a candidate: its text, and the log-probabilities of its tokens (nats).

    The tokens are the member's own.
    """

    text: bytes
    logprobs: tuple[float, ...]

    @property
    def total(self) -> float:
        """The log-probability of the whole text."""
        return summed(self.logprobs)

    @property
    def mean(self) -> float:
        """The mean log-probability of a token."""
        return self.total / len(self.logprobs)


class Measure(Typed):
    """How a member's reading of candidates becomes scores; greater is better."""

    @abstractmethod
    def scores(self, readings: Sequence[Reading]) -> list[float]:
        """Return one member's score of each candidate, none of which is without tokens."""


class Filter(Typed):
    """Which scores of a round do not count; with fewer than `least_members` members all do."""

    least_members: ClassVar[int] = 1

    @abstractmethod
    def kept(self, scores: Sequence[Sequence[float | None]]) -> list[list[bool]]:
        """Return whether each score counts; `scores` are [member][candidate].

        A score that there is not is None. At least one score of each candidate that has one counts.
        """


@dataclass(frozen=True, slots=True)
class ScoredRound:
    """One round of a span fuse, in which some of the members took part.

    `members` are their places in the fuse. `proposers` has, for each candidate, the places of the
    members that proposed it. `scores` are [member][candidate] in the order of `members`, None where
    there is none or where it was filtered. `totals` has the weighted mean for each candidate,
    `best` is the one that was kept. `readings` are [member][candidate].
    """

    members: tuple[int, ...]
    proposers: tuple[tuple[int, ...], ...]
    scores: tuple[tuple[float | None, ...], ...]
    totals: tuple[float, ...]
    best: int
    readings: tuple[tuple[Reading | None, ...], ...] = ()


class SpanWeights(Protocol):
    """The weights of the members while one answer is written."""

    def weights(self, text: str) -> Sequence[float]:
        """Return each member's weight for the span that follows the answer `text`."""

    def learn(self, round_: ScoredRound) -> None:
        """Learn from a round that has ended."""


class SpanWeigh(Typed):
    """How the members' weights change from span to span."""

    @abstractmethod
    def start(self, weights: Mapping[str, float], query: Query) -> SpanWeights:
        """Start an answer, with the weights that the fuse or a route gives, by member, sum 1."""


class Exits(Protocol):
    """Which members take part while one answer is written."""

    def active(self) -> Sequence[bool]:
        """Return for each member whether it takes part in the next round; at least one does."""

    def learn(self, round_: ScoredRound) -> None:
        """Learn from a round that has ended."""


class Exit(Typed):
    """When members that no longer help are not asked any more, and when they are asked again."""

    @abstractmethod
    def start(self, weights: Sequence[float]) -> Exits:
        """Start an answer, with the weights [member] that the fuse or a route gives."""


def margin_of(choice: TokenChoice | None) -> float | None:
    """Return how much likelier the likeliest token was than the next one; None if not known."""
    if choice is None or not choice.top:
        return None
    first, *rest = (math.exp(token.logprob) for token in choice.top[:2])
    return first - sum(rest)
