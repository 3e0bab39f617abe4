"""What is fitted on the answers of all members: learned votes and learned scores.

A learned vote derives from `Reduction` and `LearnedSelector`, a learned score from `Scorer` and
`LearnedSelector`. `compose fit` runs the recipe up to the step, on every row of the data, and gives
`fit` what the candidates said.
"""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar

from composer.methods.agreements.base import Comparison
from composer.methods.fitted import FittedPart
from composer.methods.recorded_answers import recorded_answers
from composer.specs.content import data_stamp
from composer.values import Fitted, MaybeFile, OnceCache

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from composer.methods.agreements.base import Agreement
    from composer.methods.answer_table import AnswerTable
    from composer.values import Asker, Candidates, State

T = TypeVar("T")


class LearnedSelector(FittedPart):
    """A vote or a score that is fitted on the answers of all members.

    `compose fit` writes the state beside the recipe. Without that, the recorded answers of `data`
    are learnt from once per process, when the first query comes.
    """

    data: MaybeFile = None

    @property
    def labelled(self) -> bool:
        """Whether it learns from how good the answers were; else it needs no references."""
        return True

    @property
    def compares(self) -> Agreement | None:
        """How it compares answers; None: as its step does."""
        return None

    @property
    def unfitted(self) -> bool:
        """Whether it cannot be used before it is fitted."""
        return self.open and self.fitted is None and self.data is None

    @abstractmethod
    def fit(self, table: AnswerTable, comparisons: tuple[Comparison, ...], seed: int) -> State:
        """Learn from the answers, which are compared row by row; the same for the same seed.

        The state's facts name the part (`"part": self.name`) and the members (`"names"`).
        """

    @abstractmethod
    def values(self, candidates: Candidates, comparison: Comparison) -> tuple[float, ...]:
        """Return a value for each candidate by the fitted state; the greatest one is chosen.

        Candidates that abstain have minus infinity.
        """

    def notes(self, state: State) -> Iterator[str]:
        """Yield what a person should read of what was learnt."""
        del state
        yield from ()

    @property
    def learns_when_used(self) -> bool:
        """Whether it still has to learn from `data`; see `learned_from_data`."""
        return self.open and self.fitted is None and self.data is not None

    def learned_from_data(self, candidates: Candidates, by: Agreement) -> Self:
        """Return the part fitted on the recorded answers of `data`, once per process.

        The members are the candidates and those that failed, under the names that the data have.
        Raises PartError (E509) where answers are read by `extract`, since `data` holds them unread.
        """
        assert self.data is not None
        by = self.compares or by
        names = tuple(sorted({*candidates.names, *(lost.name for lost in candidates.failed)}))
        read = any(text.value is not None for text in candidates.texts)
        key = (self, data_stamp(Path(self.data)), names, by, read)
        return self.bound(_LEARNT.get(key, lambda: self._learn(names, by, read=read)))

    def _learn(self, names: tuple[str, ...], by: Agreement, *, read: bool) -> Fitted:
        assert self.data is not None
        table = recorded_answers(self.name, self.data, names, labelled=self.labelled, read=read)
        state = self.fit(table, comparisons(table, by), 0)
        return Fitted.of(names, len(table.rows), state=state)


def comparisons(table: AnswerTable, by: Agreement) -> tuple[Comparison, ...]:
    """Return the comparison of each row's candidates."""
    answers: Sequence[list[str | None]]
    answers = [[text.answer for text in row.candidates.texts] for row in table.rows]
    return tuple(Comparison(by, each) for each in answers)


async def ready_part(part: T, candidates: Candidates, by: Agreement, ask: Asker) -> T:
    """Return a part ready for use: one that learns from `data` does so in a thread, once."""
    if isinstance(part, LearnedSelector) and part.learns_when_used:
        return await ask.compute(lambda: part.learned_from_data(candidates, by))
    return part


_LEARNT: OnceCache[Fitted] = OnceCache()
