"""Neural caching: a small student learns online from a stronger model, and answers in its place."""

from __future__ import annotations

from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import Field

from composer.methods.solved import Solved
from composer.methods.students import OTHER, Guess, Learner, Logistic, Student
from composer.steps.declare import step
from composer.values import Asker, LazyBranch, Query, Text

Doubt = Literal["margin", "entropy", "consistency"]
"""By what a student's guess is found doubtful."""

STUDENT = "student"
"""Who wrote an answer of the student."""

THRESHOLDS: dict[Doubt, float] = {"margin": 0.5, "entropy": 0.5, "consistency": 1.0}


@step(paper="arXiv:2310.13561", selects=True, may_abstain=True, shown=("by",))
async def neural_cache(
    query: Query,
    teacher: LazyBranch[Text],
    student: Student = Logistic(),
    *,
    by: Doubt = "margin",
    threshold: Annotated[float, Field(ge=0)] | None = None,
    budget: Annotated[int, Field(ge=1)] | None = None,
    ask: Asker,
) -> Text:
    """Let a student answer that learns from the teacher's answers; in doubt, ask the teacher.

    The teacher answers until the first student is trained. From then on it is asked where the
    `margin` of the student's two likeliest labels is below the `threshold` (0.5), the `entropy` of
    its labels above it (0.5 nats), or, by `consistency`, the share of the last four students that
    agree below it (1). A question that the teacher has answered before, word by word, has that
    answer. With a `budget`, the teacher is asked no more than so many questions, those that the
    student's store holds from earlier runs with them; then the student answers alone.
    """
    learner: object = student
    assert isinstance(learner, Learner)  # what `begin` made of the student
    async with learner.turns:
        question, doubt = query.root.text, (by, THRESHOLDS[by] if threshold is None else threshold)
        known = await ask.compute(lambda: learner.store.find(question))
        if known is not None:
            ask.note(answered_by="the store")
            return Text(query, known.answer, known.by)
        spent = budget is not None and await ask.compute(lambda: learner.calls) >= budget
        guess = await ask.compute(lambda: learner.guess(question, all_lines=spent))
        ask.note(**_facts(guess))
        if guess is not None and (spent or not _is_doubtful(guess, *doubt)):
            ask.note(answered_by=STUDENT)
            return _text(query, guess)
        text = await teacher()
        ask.note(answered_by=text.source)
        answer = text.answer
        if answer is not None:
            await ask.compute(lambda: learner.learn(Solved(question, answer, text.source)))
        return text


@neural_cache.settles("threshold")
def default_threshold(by: Doubt) -> float:
    """Return the threshold of a way to doubt."""
    return THRESHOLDS[by]


def _is_doubtful(guess: Guess, by: Doubt, threshold: float) -> bool:
    """Say whether the teacher is asked; an answer that the student does not know is doubtful."""
    if guess.answer == OTHER:
        return True
    match by:
        case "margin":
            return guess.margin < threshold
        case "entropy":
            return guess.entropy > threshold
        case "consistency":
            return guess.agreement is None or guess.agreement < threshold


def _facts(guess: Guess | None) -> dict[str, object]:
    if guess is None:
        return {"student": None}
    known = {"margin": guess.margin, "entropy": guess.entropy, "agreement": guess.agreement}
    return {"student": guess.answer, **known}


def _text(query: Query, guess: Guess) -> Text:
    """Return the student's answer, with the probabilities of all; it abstains if it knows none."""
    chances = {label: p for label, p in guess.chances.items() if label != OTHER}
    if not chances:
        return Text(query, "", STUDENT, extracted=True)
    answer = max(chances, key=chances.__getitem__)
    tally = MappingProxyType(chances)
    return Text(query, answer, STUDENT, confidence=chances[answer], tally=tally)
