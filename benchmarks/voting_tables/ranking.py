"""What rankings by judges cost and find, on recorded free text.

The judges are simulated, since no recorded model judged these answers: what their verdicts are
worth is known, so that full and bubble order, grades and reviews can be held against each other.
"""

from __future__ import annotations

import asyncio
import math
import random
from dataclasses import dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING

from table_text import gain, markdown, percent

from composer.backends.fake import Fake
from composer.methods.scorers.judging import Judge
from composer.methods.scorers.reviewing import PeerReview
from composer.specs import Declared
from composer.values import Candidates, Query, Text
from voting_tables._pools import lines_of, recorded_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from composer.methods import Scorer
    from composer.values import Model, Sampling

RECORDED, STEP, JUDGES = "cascades_triviaqa_llama_test", 5, 3
SURE, FIRST, SILENT = 0.75, 0.15, 0.03
"""How often a simulated judge prefers a right answer to a wrong one, says the first one whatever
that is, and gives no verdict."""

SCORERS: dict[str, Scorer] = {
    "judge, every pair": Judge(),
    "judge, every pair, Copeland": Judge(reduce="copeland"),
    "judge, bubble order": Judge(order="bubble"),
    "judge, grades": Judge(how="grade", scale=5),
    "peer review, single": PeerReview(mode="single"),
    "peer review, double": PeerReview(mode="double"),
    "peer review, triple": PeerReview(mode="triple"),
    "peer review, triple, no flips": PeerReview(mode="triple", flips=False),
}


@dataclass(frozen=True)
class Question:
    """A question with what its members answered, and which of these texts are right."""

    candidates: Candidates
    right: dict[str, bool]


@dataclass
class Simulated:
    """An asker whose judges know which texts are right, and err as often as is said above."""

    right: dict[str, bool]
    rng: random.Random
    calls: int = 0
    notes: dict[str, object] = field(default_factory=dict)

    async def generate(self, model: Model, query: Query, sampling: Sampling) -> Text:
        """Reply to whatever is shown: a letter for a pair, grades for a review."""
        del model, sampling
        self.calls += 1
        shown = query.before
        assert isinstance(shown, Candidates)
        return Text(query, self._reply([self.right[text.text] for text in shown.texts], query.text))

    def _reply(self, right: list[bool], prompt: str) -> str:
        if self.rng.random() < SILENT:
            return "I cannot say."
        if "[[A]]" in prompt:
            first, second = right
            if self.rng.random() < FIRST:
                return "[[A]]"
            sure = SURE if first != second else 0.5
            prefers = first if first != second else True
            return "[[A]]" if (self.rng.random() < sure) == prefers else "[[B]]"
        grades = (round(3 + (1 if one else 0) + self.rng.gauss(0, 1)) for one in right)
        return f"[[{', '.join(str(min(max(grade, 1), 5)) for grade in grades)}]]"

    def note(self, **facts: object) -> None:
        """Keep what is noted."""
        self.notes |= facts

    async def compute(self, function: Callable[[], object]) -> object:
        """Work at once."""
        return function()


def table(data: Path) -> str:
    """Return what judges find on recorded answers, and the calls that each of them takes."""
    questions = _questions(data)
    names = questions[0].candidates.names
    hits = {
        name: [float(one.right[one.candidates.texts[at].text]) for one in questions]
        for at, name in enumerate(names)
    }
    best = max(names, key=lambda name: fmean(hits[name]))
    chance = [fmean(each) for each in zip(*hits.values(), strict=True)]
    lines = [
        [f"best single ({best})", "", "", percent(hits[best]), ""],
        ["random member", "", "", percent(chance), gain(chance, hits[best])],
    ]
    pairs: list[float] = []
    for name, scorer in SCORERS.items():
        right, calls = zip(*(_first(one, scorer) for one in questions), strict=True)
        pairs = pairs or list(right)
        same = fmean(one == other for one, other in zip(right, pairs, strict=True))
        each = f"{fmean(calls) / JUDGES:.1f}"
        lines.append([name, each, f"{100 * same:.0f}", percent(right), gain(right, hits[best])])
    head = (
        f"{len(names)} members, {len(questions)} questions of triviaqa, "
        f"{JUDGES} simulated judges.\n\n"
    )
    columns = [
        "ranking",
        "calls a judge",
        "as right as every pair, %",
        "right",
        "over best single",
    ]
    return head + markdown(columns, lines)


def _questions(data: Path) -> list[Question]:
    questions = []
    for row in list(lines_of(recorded_file(data, RECORDED)))[::STEP]:
        query = Query.of(row["query"], id=row["id"])
        recorded = sorted(row["recorded"].items())
        texts = tuple(Text(query, one["text"].strip(), name) for name, one in recorded)
        right = {one["text"].strip(): bool(one["correct"]) for _, one in recorded}
        questions.append(Question(Candidates(query, texts), right))
    return questions


def _first(question: Question, scorer: Scorer) -> tuple[float, int]:
    """Return whether what the judges put first is right, and their calls."""
    seed = f"{question.candidates.query.id}/{scorer!r}"
    ask = Simulated(question.right, random.Random(seed))
    judges = tuple(Declared(f"J{at}", Fake()) for at in range(JUDGES))
    scores = asyncio.run(scorer.score(question.candidates, ask, judges))
    comparable = [-1.0 if math.isnan(score) else score for score in scores]
    ties = [at for at, score in enumerate(comparable) if score == max(comparable)]
    first = question.candidates.texts[ask.rng.choice(ties)].text
    return float(question.right[first]), ask.calls
