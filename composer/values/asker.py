"""The Asker: how a step asks models.

A step never holds a model. It is given an :class:`Asker`, which batches, bills and records requests
and gives them seeds. So a step is a plain function, which a test can call with a fake asker.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

    from composer.values.flow import Model, Query, Text
    from composer.values.requests import Request, Sampling
    from composer.values.results import Score, Usage

Item = TypeVar("Item")
Result = TypeVar("Result")
Result_co = TypeVar("Result_co", covariant=True)


class LazyBranch(Protocol[Result_co]):
    """A branch of a recipe that runs when it is called, once for each query."""

    name: str

    async def question(self) -> Query:
        """Return the query that the branch is asked."""
        ...

    async def __call__(self, query: Query | None = None) -> Result_co:
        """Run the branch, or return its value if it ran before.

        With a `query`, it runs on that one in place of its own; what does not depend on its query
        is not done again.
        """
        ...


class Asker(Protocol):
    """Asks models for a step, draws its random numbers, and records its notes."""

    @property
    def rng(self) -> random.Random:
        """Randomness of this step for this query: the same in every run with one seed."""
        ...

    async def ask(self, request: Request[Result]) -> Result:
        """Put a request of `composer.values.requests` to a model."""
        ...

    async def many(self, requests: Sequence[Request[Result]]) -> list[Result]:
        """Ask several things at once; the results come in the order of the requests."""
        ...

    @property
    def shown(self) -> bool:
        """Whether a piece of the step's answer was shown to whoever reads it as it is written."""
        ...

    async def generate(
        self, model: Model, query: Query, sampling: Sampling, *, draft: bool = False
    ) -> Text:
        """Let a model, or an ensemble, answer a query.

        A `draft` is not the step's answer: it is not shown while it is written, and the options
        that a caller sets for one query do not hold for it.
        """
        ...

    async def score(self, model: Model, query: Query | None, text: str) -> Score:
        """Score `text` as the model's answer to the query, or on its own without one."""
        ...

    async def perplexity(self, model: Model, query: Query) -> Score:
        """Score the query's own tokens, as the model's template renders them."""
        ...

    async def reward(self, model: Model, query: Query, texts: Sequence[str]) -> tuple[float, ...]:
        """Let a reward model say how good each text is as an answer; greater is better."""
        ...

    def note(self, **facts: object) -> None:
        """Record facts about this step in the trace."""
        ...

    def keep(self, value: object) -> None:
        """Keep a value of this step for reports; it is not printed."""
        ...

    def spent(self) -> tuple[Usage, float]:
        """Return what the query has taken so far, and the seconds since it began.

        An answer that was kept or recorded counts as if it had been given now.
        """
        ...

    async def together(
        self, work: Callable[[Sequence[Item]], Sequence[Result]], item: Item, part: str = ""
    ) -> Result:
        """Run slow arithmetic on an item, in one go with the items of other queries at this step.

        `work` returns a result for each of several items. It is the same for all queries, and for
        all calls of one `part` at this step.
        """
        ...

    async def compute(self, function: Callable[[], Result]) -> Result:
        """Run slow arithmetic in a thread, so that other queries go on."""
        ...
