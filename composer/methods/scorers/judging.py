"""Scores that a model gives when it is asked to compare answers or to grade them."""

import math
import re
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Literal, Self, TypeVar

from pydantic import Field, model_validator

from composer.methods.judges import by_judges, require_judges
from composer.methods.mistakes import PartError
from composer.methods.scorers.basic import Scorer
from composer.methods.scorers.tournament import (
    TIE,
    Across,
    Match,
    Pairs,
    Results,
    across,
    all_pairs,
    bubble,
)
from composer.methods.template import Template
from composer.methods.templates import TEMPLATES
from composer.values import Asker, Candidates, Model, Sampling, Text
from composer.values.gather import side_by_side

T = TypeVar("T")

_BETTER = re.compile(r"\[\[\s*([ABC])\s*\]\]", re.IGNORECASE)
_BRACKETS = re.compile(r"\[\[([^\[\]]*)\]\]")
_GRADE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(?:/\s*(\d+(?:\.\d+)?)\s*)?")
_WINS = {"A": 1.0, "B": 0.0, "C": TIE}


@dataclass
class Bench:
    """One judge at work on the answers to one query.

    `texts` are the answers that it is shown, without the names of those who wrote them. A template
    may use `fields.scale`, the highest grade. `order` are their places in a seeded order.
    """

    judge: Model
    answers: Candidates
    texts: Sequence[Text]
    template: Template
    sampling: Sampling
    ask: Asker
    order: Sequence[int]
    scale: int
    replies: int = 0
    unread: int = 0
    matches: list[Match] = field(default_factory=list)

    async def verdict(self, places: Sequence[int], read: Callable[[str], T | None]) -> T | None:
        """Show some answers, and read the reply; None where there is no verdict in it."""
        root = self.answers.query.root
        fields = MappingProxyType({**root.fields, "scale": self.scale})
        texts = tuple(self.texts[place] for place in places)
        shown = Candidates(replace(root, fields=fields), texts)
        query = self.answers.query.asking(self.template.render(shown), shown)
        reply = await self.ask.generate(self.judge, query, self.sampling)
        verdict = read(reply.text)
        self.replies += 1
        self.unread += verdict is None
        return verdict

    async def compare(self, first: int, second: int) -> Match:
        """Compare two answers in both orders."""
        orders = ((first, second), (second, first))
        forth, back = await side_by_side(self.verdict(order, _better) for order in orders)
        share = None if forth is None or back is None else (forth + 1 - back) / 2
        flipped = share is not None and forth == back != TIE
        match = Match(first, second, share, flipped=flipped)
        self.matches.append(match)
        return match


class AskedScorer(Scorer):
    """A score by models that are shown the answers.

    Equal answers are shown once, and have one score. An answer that abstains is not shown, and
    comes last. `expected` says how a reply must end.
    """

    judging: ClassVar[frozenset[str] | None] = frozenset({"text"})
    expected: ClassVar[str] = ""

    if TYPE_CHECKING:  # options of each such part, in an order of its own

        @property
        def template(self) -> Template | None:
            """What is asked; None: the shipped template."""

        @property
        def max_tokens(self) -> int:
            """How long a reply may be."""

        @property
        def scale(self) -> int:
            """The highest grade."""

        @property
        def across(self) -> Across:
            """How the scores of several judges become one."""

        @property
        def c(self) -> float:
            """The weight of the variance, where that counts."""

    @property
    @abstractmethod
    def shipped(self) -> str:
        """The name of the template that is used where the recipe has none."""

    @abstractmethod
    async def results(self, bench: Bench) -> Results:
        """Ask one judge, and return what its verdicts give each answer."""

    def reduced(self, judges: Sequence[Results]) -> tuple[float, ...]:
        """Return a score for each answer, NaN where no verdict could be read."""
        return across(judges, self.across, self.c)

    async def score(
        self, answers: Candidates, ask: Asker, judges: tuple[Model, ...]
    ) -> tuple[float, ...]:
        """Ask all judges at once."""
        require_judges(self, judges)
        texts = _different(answers)
        template = self.template or TEMPLATES[self.shipped]
        how, places = Sampling(max_tokens=self.max_tokens), range(len(texts))
        orders = [ask.rng.sample(places, len(places)) for _ in judges]
        benches = [
            Bench(judge, answers, texts, template, how, ask, order, self.scale)
            for judge, order in zip(judges, orders, strict=True)
        ]
        (results,) = await by_judges(judges, [self.results(bench) for bench in benches], ask)
        _note(benches, ask)
        if not any(each for result in results for each in result):
            names = ", ".join(f"`{bench.judge.name}`" for bench in benches)
            text = f"no verdict could be read from the replies of {names}"
            raise PartError("E701", text, self.expected)
        scores = await ask.compute(lambda: self.reduced(results))
        by_text = dict(zip((text.text for text in texts), scores, strict=True))
        return tuple(
            math.nan if text.answer is None else by_text[text.text.strip()]
            for text in answers.texts
        )


class Judge(AskedScorer):
    """Scores by models, which compare pairs of answers or grade single answers.

    Two answers are compared in both orders. A verdict that changes with the order is a tie, and a
    pair with a verdict that cannot be read counts for neither. `order = "full"` compares every two
    answers; the score is the mean of an answer's results: 1 for a win, 1/2 for a tie. With `reduce
    = "copeland"` a pair is won by the answer that has more of its two verdicts. `order = "bubble"`
    compares the best so far with the next one, in a seeded order: n - 1 pairs, and only the first
    place is sure. With `how = "grade"` each answer is graded alone, from 1 to `scale`; any other
    grade counts as not read. `across` says how the scores of several judges become one: `mean`,
    `minimum`, or `penalized`, which is mean - `c` variance.
    """

    name: ClassVar[str] = "judge"
    paper: ClassVar[str] = "arXiv:2306.02561"
    expected: ClassVar[str] = (
        "a judge must end its reply with [[A]], [[B]] or [[C]], or with a grade such as [[7]]"
    )

    how: Literal["pairs", "grade"] = "pairs"
    template: Template | None = None
    max_tokens: int = Field(default=256, ge=1)
    order: Literal["full", "bubble"] = "full"
    reduce: Pairs = "mean"
    across: Across = "mean"
    c: float = Field(default=0.5, ge=0)
    scale: int = Field(default=10, ge=2)

    @model_validator(mode="after")
    def _for_pairs(self) -> Self:
        if self.how == "grade" and (self.order, self.reduce) != ("full", "mean"):
            raise ValueError("`order` and `reduce` are for pairs; leave them out, or `how`")
        if self.order == "bubble" and self.reduce != "mean":
            raise ValueError("`reduce` is for all pairs; leave it out, or `order`")
        return self

    @property
    def single(self) -> bool:
        """Whether it grades."""
        return self.how == "grade"

    @property
    def shipped(self) -> str:
        """A template for pairs, or for one answer."""
        return "judge_pair" if self.how == "pairs" else "judge_score"

    def calls(self, answers: int) -> int:
        """Return two for each pair, or one for each answer."""
        pairs = answers - 1 if self.order == "bubble" else answers * (answers - 1) // 2
        return answers if self.how == "grade" else 2 * pairs

    async def results(self, bench: Bench) -> Results:
        """Return results of pairs, places in an order, or grades."""
        count = len(bench.texts)
        if self.how == "pairs" and self.order == "full":
            return await all_pairs(count, bench.compare, self.reduce)
        if self.how == "pairs":
            return await bubble(bench.order, bench.compare)
        read = (bench.verdict((at,), self._grade) for at in range(count))
        return tuple(() if grade is None else (grade,) for grade in await side_by_side(read))

    def _grade(self, reply: str) -> float | None:
        grades = grades_in(reply, 1, self.scale)
        return grades[0] if grades else None


def grades_in(reply: str, count: int, scale: int) -> tuple[float | None, ...] | None:
    """Read `count` grades out of the last brackets of a reply, such as [[4]] or [[4, 2, 5]].

    A grade that is no number from 1 to `scale` is None, and so is one of another scale, as [[4/5]]
    is where `scale` is 10. None for all if the brackets do not have so many, or no grade is left.
    """
    brackets: list[str] = _BRACKETS.findall(reply)
    words = brackets[-1].split(",") if brackets else []
    grades = tuple(_number(word, scale) for word in words)
    return grades if len(grades) == count and any(grades) else None


def _number(word: str, scale: int) -> float | None:
    match = _GRADE.fullmatch(word)
    if match is None or float(match[2] or scale) != scale:
        return None
    grade = float(match[1])
    return grade if 1 <= grade <= scale else None


def _better(reply: str) -> float | None:
    """Return what the answer that was shown first has of a verdict."""
    letters = _BETTER.findall(reply)
    return _WINS[letters[-1].upper()] if letters else None


def _different(answers: Candidates) -> list[Text]:
    """Return the different answers, without those that abstain."""
    voices = [text for text in answers.texts if text.answer is not None]
    texts = {each.text.strip(): replace(each, text=each.text.strip()) for each in reversed(voices)}
    if not texts:
        raise PartError(
            "E705",
            "there is nothing to judge: every answer abstained",
            "check what `extract` reads from the answers, or add a fallback: `(...) | D`",
        )
    return list(texts.values())[::-1]


def _note(benches: Sequence[Bench], ask: Asker) -> None:
    """Record ties, and verdicts that could not be read."""
    matches = [match for bench in benches for match in bench.matches]
    facts = {
        "unread_verdicts": sum(bench.unread for bench in benches),
        "without_verdict": [b.judge.name for b in benches if 0 < b.replies == b.unread],
        "flipped": sum(match.flipped for match in matches),
        "tied": sum(match.share == TIE for match in matches),
    }
    ask.note(**{name: fact for name, fact in facts.items() if fact})
