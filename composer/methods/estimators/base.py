"""What an estimator is asked and what it gives: the quality that each choice would have."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from composer.methods.estimators.costs import cost_lines, line_costs, with_costs
from composer.methods.estimators.values import Asked, Choice, Estimates, Labels, Predictions
from composer.methods.mistakes import PartError
from composer.values import Asker, Fitted, MaybeFile, OnceCache, Query, State, Trainable, Typed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from composer.methods.cascade_state import CascadeState
    from composer.values import TypicalityRank


class Estimator(Typed):
    """How good each choice would be for a query.

    `needs` names what every choice's model must be able to do. One that `reads_answers` estimates
    the stages of a cascade anew after each answer, and is of no use to a route.
    """

    needs: ClassVar[frozenset[str]] = frozenset()
    reads_answers: ClassVar[bool] = False

    @abstractmethod
    async def estimate(self, query: Query, choices: tuple[Choice, ...], ask: Asker) -> Estimates:
        """Estimate the quality of every choice for this query."""

    async def estimate_after(
        self, cascade: CascadeState, choices: tuple[Choice, ...], ask: Asker
    ) -> Estimates:
        """Estimate the quality of every stage of a cascade, by the question alone."""
        return await self.estimate(cascade.query, choices, ask)


READ_AT_ONCE = 4_000_000
"""Bytes of a data file that is read to check a recipe."""


class Learned(Estimator, Trainable):
    """An estimator that learns from recorded outcomes, by `fit`, and keeps what it learnt.

    `compose fit` writes the state beside the recipe; without that, `data` is learnt from once per
    process, in a thread, when the first query comes.
    """

    data: MaybeFile = None

    @property
    def unfitted(self) -> bool:
        """Whether it has learnt nothing, and names no data to learn from when it is first used."""
        return self.fitted is None and self.data is None

    @abstractmethod
    def fit(self, labels: Labels, seed: int) -> State:
        """Learn from labels; the same labels and seed give the same state, bit for bit."""

    @abstractmethod
    def predict(self, state: State, queries: Sequence[Asked]) -> Predictions:
        """Predict for n queries at once; the columns are those of the labels learnt from."""

    def mistake(self, choices: tuple[Choice, ...]) -> PartError | None:
        """Say which choices its data have no outcomes of; a large file is read only in a run."""
        path = None if self.data is None else Path(self.data)
        if path is None or not path.is_file() or path.stat().st_size > READ_AT_ONCE:
            return None
        from composer.methods.estimators.training_rows import table

        try:
            rows = table(str(path))
        except PartError:  # told where they are used
            return None
        try:
            rows.check_columns(choices)
            for choice in choices if rows.models else ():
                rows.column(choice)
        except PartError as error:
            return error
        return None

    async def estimate(self, query: Query, choices: tuple[Choice, ...], ask: Asker) -> Estimates:
        """Fit if nobody has yet, then estimate the question that the recipe was given."""
        request = asked_of(query)
        return await ask.together(lambda many: self.judge(many, choices), request)

    def is_quick(self, count: int) -> bool:
        """Say whether so many queries are judged sooner than a thread is found for them."""
        del count
        return False

    def judge(self, queries: Sequence[Asked], choices: tuple[Choice, ...]) -> list[Estimates]:
        """Return the estimates of many queries, at once."""
        fitted = self.ready(choices)
        predictions, typicality = self._guarded(fitted, queries)
        columns = [fitted.names.index(choice.name) for choice in choices]
        because = self.because(fitted)
        mean, spread = (
            predictions.mean[:, columns].tolist(),
            predictions.spread[:, columns].tolist(),
        )
        cost = (
            [()] * len(queries)
            if predictions.cost is None
            else predictions.cost[:, columns].tolist()
        )
        rows = zip(mean, spread, cost, typicality, strict=True)
        return [Estimates(tuple(q), because, tuple(s), tuple(c), t) for q, s, c, t in rows]

    def _guarded(
        self, fitted: Fitted, queries: Sequence[Asked]
    ) -> tuple[Predictions, Sequence[TypicalityRank | None]]:
        """Predict; where a guard was fitted, shrink what is said of foreign queries.

        A cost that the estimator does not predict is that of the data that it learnt from.
        """
        predictions = self.predict(fitted.state, queries)
        if fitted.costs is not None:
            predictions = with_costs(predictions, line_costs(fitted.costs, queries))
        if fitted.shrinkage is None:
            return predictions, [None] * len(queries)
        from composer.methods.estimators.shrinkage import shrunk

        return shrunk(fitted.shrinkage, queries, predictions)

    def notes(self, state: State, write: Callable[[Typed], str]) -> Iterator[str]:
        """Yield what a person should know of what was learnt; `write` writes a part as text."""
        del state, write
        yield from ()

    def because(self, fitted: Fitted) -> str:
        """Say in words where estimates come from."""
        return f"`{self.name}` from {fitted.rows} recorded queries"

    def ready(self, choices: tuple[Choice, ...]) -> Fitted:
        """Return what was learnt about the choices, learning it now if there is only data."""
        from composer.methods.estimators.training_rows import labels

        if self._fitted is not None:
            return self._sound(self._fitted)
        if self.data is None:
            raise PartError(
                "E509",
                f"`{self.name}` is not fitted yet",
                "run `compose fit RECIPE --data FILE`, or give the part `data = FILE`",
            )
        labelled = labels(self.data, choices)
        return _FITTED.get((self, labelled.digest, labelled.names), lambda: self._learn(labelled))

    def _sound(self, fitted: Fitted) -> Fitted:
        """Check what was learnt elsewhere, once."""
        from composer.methods.estimators.soundness import check

        def checked() -> Fitted:
            check(
                self.name,
                fitted,
                lambda probes: self.predict(fitted.state, probes),
                lambda probes: self._guarded(fitted, probes)[0],
            )
            return fitted

        return fitted.sound.get("sound", checked)

    def _learn(self, labelled: Labels) -> Fitted:
        states = {"state": self.fit(labelled, 0), "costs": cost_lines(labelled)}
        return Fitted.of(labelled.names, len(labelled.queries), **states)


_FITTED: OnceCache[Fitted] = OnceCache()


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


def learned_in(value: object) -> Iterator[Learned]:
    """Yield the estimators in an option's value that learn, those inside of others too."""
    match value:
        case Learned():
            yield value
        case Typed():
            for name in type(value).model_fields:
                yield from learned_in(getattr(value, name))
        case tuple():
            for item in value:
                yield from learned_in(item)
