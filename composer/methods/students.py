"""Students: classifiers that learn online from the answers of a stronger model (neural caching)."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field, field_validator

from composer.heavy import sklearn
from composer.methods.estimators.features import Features, Tfidf
from composer.methods.solved import Solved, SolvedStore, readable_store, solved_store, turns_of
from composer.values import MaybeWritten, Typed

if TYPE_CHECKING:
    from asyncio import Semaphore
    from collections.abc import Mapping, Sequence

    from composer.values import State

OTHER = ""
"""The label of all answers that the student has not seen twice."""

MOST_LABELS = 50
COMMITTEE = 4
"""The students whose agreement is looked at: the latest ones."""


@dataclass(frozen=True)
class Guess:
    """What a student takes for the answer, with the probability of each label.

    `agreement` is the share of the last four students that give the same answer, None where fewer
    have been trained.
    """

    answer: str
    chances: Mapping[str, float]
    agreement: float | None = None

    @property
    def margin(self) -> float:
        """The probability of the answer above that of the next label."""
        first, second = ([*sorted(self.chances.values(), reverse=True), 0.0])[:2]
        return first - second

    @property
    def entropy(self) -> float:
        """The entropy of the probabilities, in nats."""
        return max(0.0, -math.fsum(p * math.log(p) for p in self.chances.values() if p > 0))


class Student(Typed):
    """A classifier of questions that is trained anew while a run goes on.

    Its state is its `store`: a `.jsonl` file with each question that the stronger model answered.
    It is trained on the first lines, so that a run that is killed goes on with the same student.
    Without a store, it forgets all when the ensemble is closed. It is trained when `first`
    questions are known, and again after `every` more. With `at_once = 1` one question is answered
    after the other.
    """

    store: MaybeWritten = None
    first: int = Field(default=100, ge=2)
    every: int = Field(default=100, ge=1)
    at_once: int = Field(default=1, ge=1)

    @field_validator("store")
    @classmethod
    def _is_jsonl(cls, store: str | None) -> str | None:
        return None if store is None else readable_store(store)

    def begin(self) -> Learner:
        """Return what learns while an ensemble is open."""
        store = SolvedStore() if self.store is None else solved_store(self.store)
        return Learner(self, store, turns_of(self.at_once))

    @abstractmethod
    def trained(self, questions: Sequence[str], labels: Sequence[str]) -> Trained:
        """Train on questions with two labels or more."""


class Logistic(Student):
    """Logistic regression over `features` of the question, with L2 regularization 1 / `c`.

    Its labels are the answers that were given twice or more, at most the 50 most frequent. All
    others are one label, "another answer", for which the stronger model is always asked.
    """

    name: ClassVar[str] = "logistic"
    paper: ClassVar[str] = "arXiv:2310.13561"

    features: Features = Tfidf()
    c: float = Field(default=10.0, gt=0)

    def trained(self, questions: Sequence[str], labels: Sequence[str]) -> Trained:
        """Fit the regression."""
        state, vectors = self.features.embed([(question, ()) for question in questions])
        model = sklearn.linear_model.LogisticRegression(C=self.c, max_iter=1000)
        model.fit(vectors, list(labels))
        return Trained(self.features, state, model)


@dataclass(frozen=True, eq=False)
class Trained:
    """A student that was trained."""

    features: Features
    state: State
    model: sklearn.linear_model.LogisticRegression

    def chances(self, question: str) -> dict[str, float]:
        """Return the probability of each label."""
        vectors = self.features.vectors(self.state, [(question, ())])
        (row,) = self.model.predict_proba(vectors).tolist()
        return dict(zip(map(str, self.model.classes_), row, strict=True))


@dataclass(eq=False)
class Learner:
    """A student while an ensemble is open: its store, its turns, and the students trained so far.

    `assumes` is set where a run is only rehearsed: whether the stronger model is asked once `first`
    questions are known. Nothing is learnt then.
    """

    student: Student
    store: SolvedStore
    turns: Semaphore
    assumes: bool | None = None
    assumed_calls: int = 0
    _trained: dict[int, Trained | str] = field(default_factory=dict)

    def assuming(self, *, asks: bool) -> Learner:
        """Return a learner that learns nothing."""
        return replace(self, assumes=asks, turns=turns_of(1), _trained={})

    @property
    def calls(self) -> int:
        """How many answers of the stronger model are known."""
        return len(self.store.read()) + self.assumed_calls

    def guess(self, question: str, *, all_lines: bool = False) -> Guess | None:
        """Return what the latest student says, None before one is trained.

        With `all_lines`, it is trained on all that is known.
        """
        lines = self.store.read()
        if self.assumes is not None:
            asks = not all_lines and (self.assumes or self.calls < self.student.first)
            return None if asks else Guess("the", {"the": 1.0}, 1.0)
        sizes = range(self.student.first, len(lines) + 1, self.student.every)
        sizes = range(len(lines), len(lines) + 1) if all_lines and lines else sizes
        students = [self._trained_on(lines[:size]) for size in sizes[-COMMITTEE:]]
        return _guess(question, students) if students else None

    def learn(self, solved: Solved) -> None:
        """Keep an answer of the stronger model."""
        if self.assumes is None:
            self.store.add(solved)
        else:
            self.assumed_calls += 1

    def _trained_on(self, lines: Sequence[Solved]) -> Trained | str:
        """Return the student of some lines, or the answer that all of them have."""
        if len(lines) not in self._trained:
            counts = Counter(line.answer for line in lines)
            labels = {answer for answer, count in counts.most_common(MOST_LABELS) if count > 1}
            named = [line.answer if line.answer in labels else OTHER for line in lines]
            lone = len(set(named)) == 1
            self._trained[len(lines)] = (
                named[0] if lone else self.student.trained([line.query for line in lines], named)
            )
            for size in sorted(self._trained)[:-COMMITTEE]:
                del self._trained[size]
        return self._trained[len(lines)]


def _guess(question: str, students: Sequence[Trained | str]) -> Guess:
    """Return what the last student says, and how many of them agree."""
    each = [{one: 1.0} if isinstance(one, str) else one.chances(question) for one in students]
    answers = [max(chances, key=chances.__getitem__) for chances in each]
    same = answers.count(answers[-1]) / COMMITTEE
    return Guess(answers[-1], each[-1], same if len(students) == COMMITTEE else None)
