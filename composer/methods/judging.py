"""Scores that a model gives when it is asked to compare answers or to grade them."""

import itertools
import re
from typing import ClassVar, Literal

from pydantic import Field

from composer.methods.mistakes import PartError
from composer.methods.scoring import Scorer, by_judges, judged
from composer.methods.template import Template
from composer.methods.templates import TEMPLATES
from composer.values import Asker, Candidates, Model, Sampling

_BETTER = re.compile(r"\[\[\s*([ABC])\s*\]\]", re.IGNORECASE)
_GRADE = re.compile(r"\[\[\s*(\d+(?:\.\d+)?)(?:\s*/\s*\d+)?\s*\]\]")
_WINS = {"A": 1.0, "B": 0.0, "C": 0.5}
_TIE = 0.5
_SHIPPED = {"pairs": "judge_pair", "grade": "judge_score"}


class Judge(Scorer):
    """Scores by models, which compare pairs of answers or grade single answers.

    Every two candidates are compared in both orders, and the score is the mean of the results of a
    candidate: 1 for a win, 1/2 for a tie (PairRanker's full comparison). With `how = "grade"` each
    candidate is graded alone. Several judges have equal weight.
    """

    name: ClassVar[str] = "judge"
    paper: ClassVar[str] = "arXiv:2306.02561"
    judging: ClassVar[frozenset[str] | None] = frozenset({"text"})

    how: Literal["pairs", "grade"] = "pairs"
    template: Template | None = None
    max_tokens: int = Field(default=256, ge=1)

    async def score(
        self, answers: Candidates, ask: Asker, judges: tuple[Model, ...]
    ) -> tuple[float, ...]:
        """Ask every judge about every candidate, all at once."""
        judged(self, judges)
        if self.how == "grade":
            return await self._grade(answers, ask, judges)
        return await self._compare(answers, ask, judges)

    async def _compare(
        self, answers: Candidates, ask: Asker, judges: tuple[Model, ...]
    ) -> tuple[float, ...]:
        count = len(answers.texts)
        pairs: list[tuple[int, ...]] = [*itertools.permutations(range(count), 2)]
        letters_of_judges = await self._ask(answers, pairs, ask, judges, _BETTER)
        won = [0.0] * count
        games = 0
        for (first, second), letters in zip(pairs, letters_of_judges, strict=True):
            games = 2 * (count - 1) * len(letters)
            for letter in letters:
                share = _WINS[letter.upper()] if letter else _TIE
                won[first] += share
                won[second] += 1 - share
        return tuple(wins / games if games else _TIE for wins in won)

    async def _grade(
        self, answers: Candidates, ask: Asker, judges: tuple[Model, ...]
    ) -> tuple[float, ...]:
        each: list[tuple[int, ...]] = [(index,) for index in range(len(answers.texts))]
        grades_of_judges = await self._ask(answers, each, ask, judges, _GRADE)
        numbers = (
            [float(grade) if grade else 0.0 for grade in grades] for grades in grades_of_judges
        )
        return tuple(sum(grades) / len(grades) for grades in numbers)

    async def _ask(
        self,
        answers: Candidates,
        groups: list[tuple[int, ...]],
        ask: Asker,
        judges: tuple[Model, ...],
        verdict: re.Pattern[str],
    ) -> list[list[str | None]]:
        """Put each group of candidates to each judge; None where no verdict can be read."""
        template = self.template or TEMPLATES[_SHIPPED[self.how]]
        sampling = Sampling(max_tokens=self.max_tokens)
        requests = []
        for group in groups:
            shown = Candidates(answers.query, tuple(answers.texts[index] for index in group))
            query = answers.query.asking(template.render(shown), shown)
            requests += [ask.generate(judge, query, sampling) for judge in judges]
        replies = await by_judges(judges, requests, ask)
        read = [[verdict.findall(reply.text) for reply in each] for each in replies]
        every = [found for each in read for found in each]
        _complain(len(every), sum(not found for found in every), judges, ask)
        return [[found[-1] if found else None for found in each] for each in read]


def _complain(count: int, unread: int, judges: tuple[Model, ...], ask: Asker) -> None:
    """Record verdicts that could not be read; when there is no other, that is a mistake."""
    if unread:
        ask.note(unread_verdicts=unread)
    if count and unread == count:
        names = ", ".join(f"`{judge.name}`" for judge in judges)
        raise PartError(
            "E701",
            f"no verdict could be read from the replies of {names}",
            "a judge must end its reply with [[A]], [[B]] or [[C]], or with a grade such as [[7]]",
        )
