"""How `rank` scores candidates: by their own confidence, by models, by each other."""

import math
from abc import abstractmethod
from typing import Annotated, ClassVar, Literal, Self, TypeVar

from pydantic import Field, model_validator

from composer.methods.agreements.base import Agreement, Comparison
from composer.methods.agreements.overlap import Rouge
from composer.methods.judges import by_judges, require_judges
from composer.methods.mistakes import PartError
from composer.values import Asker, Candidates, Model, Text, Typed
from composer.values.capability import Capability
from composer.values.finite import summed

T = TypeVar("T")

SCORE = "score"
"""The fact under which the best answer of a ranking keeps its score."""


class Scorer(Typed):
    """A score for each candidate, greater is better.

    `needs` is what the models that wrote the candidates must be able to do, `judging` what the
    models that the step was given must; None: it takes none.
    """

    needs: ClassVar[frozenset[str]] = frozenset()
    judging: ClassVar[frozenset[str] | None] = None

    @property
    def single(self) -> bool:
        """Whether it says something of an answer that stands alone, without others beside it."""
        return False

    @property
    def of_writers(self) -> frozenset[str]:
        """What the models that wrote the candidates must be able to do."""
        return self.needs

    @property
    def of_judges(self) -> frozenset[str] | None:
        """What the models that the step was given must be able to do; None: it takes none."""
        return self.judging

    @property
    def asker(self) -> str:
        """The name of what asks these models."""
        return self.name

    def calls(self, answers: int) -> int:
        """Return how often each of these models is asked about so many answers, at most."""
        return 0 if self.of_judges is None else answers

    @abstractmethod
    async def score(
        self, answers: Candidates, ask: Asker, judges: tuple[Model, ...]
    ) -> tuple[float, ...]:
        """Return a score for each candidate, in their order."""


class Confident(Scorer):
    """Mean log-probability of a candidate's tokens under the model that wrote it."""

    name: ClassVar[str] = "confident"
    needs: ClassVar[frozenset[str]] = frozenset({"logprobs"})

    @property
    def single(self) -> bool:
        """An answer is scored by itself."""
        return True

    async def score(
        self, answers: Candidates, ask: Asker, judges: tuple[Model, ...]
    ) -> tuple[float, ...]:
        """Return (1/T) sum log p(y_t), or the log of the confidence where only that is known."""
        del ask, judges
        pairs = zip(answers.names, answers.texts, strict=True)
        return tuple(_mean_logprob(name, text) for name, text in pairs)


class Likelihood(Scorer):
    """Log-probability of each candidate under all judges, summed over the judges.

    `per` divides it by the tokens of the judge (`token`), by the bytes of the candidate (`byte`),
    or not at all (`answer`).
    """

    name: ClassVar[str] = "likely"
    paper: ClassVar[str] = "arXiv:2407.19807"
    judging: ClassVar[frozenset[str] | None] = frozenset({"score"})

    per: Literal["token", "byte", "answer"] = "token"

    @property
    def single(self) -> bool:
        """An answer is scored by itself."""
        return True

    async def score(
        self, answers: Candidates, ask: Asker, judges: tuple[Model, ...]
    ) -> tuple[float, ...]:
        """Score every candidate under every judge, all at once."""
        require_judges(self, judges)
        requests = [
            ask.score(judge, answers.query, text.text) for text in answers.texts for judge in judges
        ]
        replies = await by_judges(judges, requests, ask)
        return tuple(
            summed(
                score.mean if self.per == "token" else score.total / self._length(text)
                for score in scores
            )
            for text, scores in zip(answers.texts, replies, strict=True)
        )

    def _length(self, text: Text) -> int:
        return max(len(text.text.encode()), 1) if self.per == "byte" else 1


class Rewarded(Scorer):
    """The reward that a reward model gives each candidate: `reward(R)`, where R is the model."""

    name: ClassVar[str] = "reward"
    paper: ClassVar[str] = "arXiv:2112.09332"

    model: Annotated[Model, Capability.REWARD]

    @property
    def single(self) -> bool:
        """An answer is scored by itself."""
        return True

    async def score(
        self, answers: Candidates, ask: Asker, judges: tuple[Model, ...]
    ) -> tuple[float, ...]:
        """Ask about all candidates at once."""
        del judges
        return await ask.reward(self.model, answers.query, [each.text for each in answers.texts])


class Consensus(Scorer):
    """Mean agreement of a candidate with all others."""

    name: ClassVar[str] = "consensus"
    paper: ClassVar[str] = "arXiv:2402.05120"

    by: Agreement = Rouge()

    async def score(
        self, answers: Candidates, ask: Asker, judges: tuple[Model, ...]
    ) -> tuple[float, ...]:
        """Return (1/(n-1)) sum over j != i of same(a_i, a_j); abstentions score 0."""
        del judges
        voices = [text.answer for text in answers.texts]
        comparison = await self.by.compare(voices, answers.query, ask)
        return await ask.compute(lambda: _mean_agreement(comparison))


def _mean_agreement(comparison: Comparison) -> tuple[float, ...]:
    """Return how much each candidate agrees with the others on average."""
    voters = comparison.voters
    scores = [0.0] * len(comparison.answers)
    for i in voters if len(voters) > 1 else ():
        total = math.fsum(comparison.same(i, j) for j in voters if j != i)
        scores[i] = total / (len(voters) - 1)
    return tuple(scores)


class Sized(Scorer):
    """A score of each candidate's text alone, for which nobody is asked."""

    @abstractmethod
    def of_text(self, text: str) -> float:
        """Return the score of one text."""

    @property
    def single(self) -> bool:
        """An answer is scored by itself."""
        return True

    async def score(
        self, answers: Candidates, ask: Asker, judges: tuple[Model, ...]
    ) -> tuple[float, ...]:
        """Score each text by itself."""
        del ask, judges
        return tuple(self.of_text(text.text) for text in answers.texts)


class Length(Sized):
    """Characters of a candidate, for sums of scores: `likely() - 0.1 * length()`."""

    name: ClassVar[str] = "length"

    def of_text(self, text: str) -> float:
        """Return the length."""
        return float(len(text))


class Sum(Scorer):
    """A weighted sum of scores; a recipe may write it as arithmetic: `likely() - 0.1 * length()`.

    `weights` has one weight for each score of `of`, in order.
    """

    name: ClassVar[str] = "sum"

    of: tuple[Scorer, ...] = Field(min_length=1)
    weights: tuple[float, ...]

    @model_validator(mode="after")
    def _as_many_weights(self) -> Self:
        if len(self.of) != len(self.weights):
            raise ValueError("give one weight for each score")
        return self

    @property
    def single(self) -> bool:
        """Whether all of the scores are such."""
        return all(each.single for each in self.of)

    @property
    def of_writers(self) -> frozenset[str]:
        """What any of the scores needs."""
        return frozenset[str]().union(*(each.of_writers for each in self.of))

    @property
    def of_judges(self) -> frozenset[str] | None:
        """What those scores need that ask a model; None where none does."""
        asked = [each.of_judges for each in self.of if each.of_judges is not None]
        return frozenset[str]().union(*asked) if asked else None

    @property
    def asker(self) -> str:
        """The first score that asks models."""
        return next((each.asker for each in self.of if each.of_judges is not None), self.name)

    def calls(self, answers: int) -> int:
        """Return what all of the scores take."""
        return sum(each.calls(answers) for each in self.of)

    async def score(
        self, answers: Candidates, ask: Asker, judges: tuple[Model, ...]
    ) -> tuple[float, ...]:
        """Return sum_i weight_i score_i of each candidate."""
        scores = [
            await each.score(answers, ask, () if each.of_judges is None else judges)
            for each in self.of
        ]
        rows = zip(*scores, strict=True)
        return tuple(
            summed(weight * one for weight, one in zip(self.weights, row, strict=True))
            for row in rows
        )


class Shortest(Sized):
    """The fewest characters: a baseline for judges that prefer length."""

    name: ClassVar[str] = "shortest"

    def of_text(self, text: str) -> float:
        """Return minus the length."""
        return -float(len(text))


class Longest(Sized):
    """The most characters: a baseline for judges that prefer length."""

    name: ClassVar[str] = "longest"

    def of_text(self, text: str) -> float:
        """Return the length."""
        return float(len(text))


def _mean_logprob(name: str, text: Text) -> float:
    if text.logprobs:
        return summed(text.logprobs) / len(text.logprobs)
    if text.confidence is None:
        raise PartError(
            "E302",
            f"`confident` cannot score the answer of `{name}`, because its probabilities are "
            "unknown",
            "use `consensus()` or `judge()`, or a model that gives log-probabilities",
        )
    return math.log(text.confidence) if text.confidence > 0 else -math.inf
