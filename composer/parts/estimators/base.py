"""What an estimator is asked and what it gives: the quality that each choice would have."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

from composer.parts.mistakes import PartError
from composer.ports import Asker, Fitted, MaybeFile, Model, Once, Query, State, Trainable, Typed

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.floating[Any]]

__all__ = [
    "Asked",
    "Choice",
    "Estimates",
    "Estimator",
    "Fitted",
    "Labels",
    "Learned",
    "Online",
    "Predictions",
    "State",
    "asked_of",
]

Asked = tuple[str, tuple[str, ...]]
"""A question as estimators see it: its text, and its tags, such as the subject."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the branches, or members, that a `route` decides among.

    `aliases` are the other names under which data files may know it. `model` is None where a
    branch is more than a model. `price` is in dollars per million tokens, the mean of prompt and
    completion, None where it is not known.
    """

    name: str
    aliases: tuple[str, ...] = ()
    model: Model | None = None
    price: float | None = None

    @property
    def known_as(self) -> tuple[str, ...]:
        """All names of the choice, its own first."""
        return (self.name, *self.aliases)


@dataclass(frozen=True, slots=True)
class Estimates:
    """A quality for each choice, greater is better, and in words how it was found.

    `spread` is each quality's standard deviation and `cost` what each answer would cost in
    dollars, empty where not known. `foreign`, in [0, 1], says how far the query lies from what
    the estimator learnt from, None where it learnt nothing or keeps no such measure.
    """

    quality: tuple[float, ...]
    because: str = ""
    spread: tuple[float, ...] = ()
    cost: tuple[float, ...] = ()
    foreign: float | None = None


@dataclass(frozen=True, eq=False)
class Labels:
    """What is learnt from: n queries and the recorded outcomes of m choices.

    `quality`, `cost` (dollars) and `tokens` are [n, m], NaN where unknown. `graded` names the
    choices whose quality is a score, not right (1) or wrong (0). `digest` names the content.
    """

    queries: tuple[str, ...]
    tags: tuple[tuple[str, ...], ...]
    names: tuple[str, ...]
    quality: Floats
    cost: Floats
    tokens: Floats
    graded: frozenset[str] = frozenset()
    digest: str = ""

    @property
    def asked(self) -> tuple[Asked, ...]:
        """The queries with their tags, as `predict` takes them."""
        return tuple(zip(self.queries, self.tags, strict=True))

    def take(self, rows: Sequence[int] | NDArray[np.intp]) -> Labels:
        """Return some of the rows, in the order asked for."""
        import hashlib

        import numpy as np

        some = np.asarray(rows, dtype=np.intp)
        return replace(
            self,
            queries=tuple(self.queries[row] for row in some),
            tags=tuple(self.tags[row] for row in some),
            quality=self.quality[some],
            cost=self.cost[some],
            tokens=self.tokens[some],
            digest=hashlib.sha256(self.digest.encode() + some.tobytes()).hexdigest(),
        )


@dataclass(frozen=True, eq=False)
class Predictions:
    """What is expected of each of n queries from each of m choices.

    `mean` [n, m] is the quality, `spread` [n, m] its standard deviation (NaN unknown), `cost`
    [n, m] dollars, None where the estimator knows nothing of cost.
    """

    mean: Floats
    spread: Floats
    cost: Floats | None = None

    @classmethod
    def of(cls, mean: Floats, spread: Floats | None = None, cost: Floats | None = None) -> Self:
        """Return predictions whose spread may be unknown."""
        import numpy as np

        return cls(mean, np.full_like(mean, np.nan) if spread is None else spread, cost)


class Estimator(Typed):
    """How good each choice would be for a query.

    `needs` names what every choice's model must be able to do.
    """

    needs: ClassVar[frozenset[str]] = frozenset()

    @abstractmethod
    async def estimate(self, query: Query, choices: tuple[Choice, ...], ask: Asker) -> Estimates:
        """Estimate the quality of every choice for this query."""


class Learned(Estimator, Trainable):
    """An estimator that learns from recorded outcomes, by `fit`, and keeps what it learnt.

    `compose fit` writes the state beside the recipe; without that, `data` is learnt from once per
    process, in a thread, when the first query comes.
    """

    data: MaybeFile = None

    @abstractmethod
    def fit(self, labels: Labels, seed: int) -> State:
        """Learn from labels; the same labels and seed give the same state, bit for bit."""

    @abstractmethod
    def predict(self, state: State, queries: Sequence[Asked]) -> Predictions:
        """Predict for n queries at once; the columns are those of the labels learnt from."""

    async def estimate(self, query: Query, choices: tuple[Choice, ...], ask: Asker) -> Estimates:
        """Fit if nobody has yet, then estimate the question that the recipe was given."""
        asked = asked_of(query)
        return await ask.compute(lambda: self.judge([asked], choices)[0])

    def judge(self, queries: Sequence[Asked], choices: tuple[Choice, ...]) -> list[Estimates]:
        """Return the estimates of many queries, at once."""
        fitted = self.ready(choices)
        found, foreign = self._guarded(fitted, queries)
        columns = [fitted.names.index(choice.name) for choice in choices]
        because = self.because(fitted)
        mean, spread = found.mean[:, columns].tolist(), found.spread[:, columns].tolist()
        cost = [()] * len(queries) if found.cost is None else found.cost[:, columns].tolist()
        rows = zip(mean, spread, cost, foreign, strict=True)
        return [Estimates(tuple(q), because, tuple(s), tuple(c), f) for q, s, c, f in rows]

    def _guarded(
        self, fitted: Fitted, queries: Sequence[Asked]
    ) -> tuple[Predictions, list[float | None]]:
        """Predict; where a guard was fitted, shrink what is said of foreign queries."""
        found = self.predict(fitted.state, queries)
        if fitted.guard is None:
            return found, [None] * len(queries)
        from composer.parts.estimators.foreign import shrunk

        found, foreign = shrunk(fitted.guard, queries, found)
        return found, foreign.tolist()

    def because(self, fitted: Fitted) -> str:
        """Say in words where estimates come from."""
        return f"`{self.name}` of {fitted.rows} recorded queries"

    def ready(self, choices: tuple[Choice, ...]) -> Fitted:
        """Return what was learnt about the choices, learning it now if there is only data."""
        from composer.parts.estimators.rows import labels

        if self._fitted is not None:
            return self._fitted
        if self.data is None:
            raise PartError(
                "E509",
                f"`{self.name}` has learnt nothing yet",
                "run `compose fit RECIPE --data FILE`, or give it `data = FILE`",
            )
        found = labels(self.data, choices)
        return _FITTED.get((self, found.digest, found.names), lambda: self._learn(found))

    def _learn(self, found: Labels) -> Fitted:
        return Fitted.of(found.names, len(found.queries), state=self.fit(found, 0))


_FITTED: Once[Fitted] = Once()


class Online(Learned):
    """An estimator that goes on learning from the rewards of the choices that were made."""

    @abstractmethod
    def start(self, names: tuple[str, ...], seed: int) -> State:
        """Return the state before anything was learnt."""

    @abstractmethod
    def update(self, state: State, asked: Asked, choice: int, reward: float) -> State:
        """Return the state after the choice of that index had that reward, in [0, 1]."""


def asked_of(query: Query) -> Asked:
    """Return the question that the recipe was given, as estimators see it."""
    tags = query.root.fields.get("tags", ())
    listed = (tags,) if isinstance(tags, str) else tuple(map(str, tags or ()))
    return query.root.text, listed
