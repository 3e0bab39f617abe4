"""Estimators that need no data: equal, random, by length, and by the prompt's perplexity."""

from typing import ClassVar

from pydantic import Field

from composer.diagnostics.amounts import counted
from composer.methods.estimators.base import Estimator
from composer.methods.estimators.values import Choice, Estimates
from composer.methods.mistakes import PartError
from composer.values import Asker, Model, Query
from composer.values.gather import side_by_side

_HALF = 0.5


class Uniform(Estimator):
    """Every choice is as good as any other."""

    name: ClassVar[str] = "uniform"

    async def estimate(self, query: Query, choices: tuple[Choice, ...], ask: Asker) -> Estimates:
        """Return 0.5 for each."""
        del query, ask
        return Estimates((_HALF,) * len(choices), "all choices have the same quality")


class Random(Estimator):
    """Random qualities between 0 and 1: the baseline that every router must beat."""

    name: ClassVar[str] = "random"

    async def estimate(self, query: Query, choices: tuple[Choice, ...], ask: Asker) -> Estimates:
        """Draw one quality for each choice from the step's own randomness."""
        del query
        return Estimates(tuple(ask.rng.random() for _ in choices), "random qualities")


class Length(Estimator):
    """Short prompts to the first choice, long ones to the last: a baseline for other routers.

    With p = n / (n + threshold) for n characters and the choices' centres c spread evenly over
    [0, 1], quality = -(p - c)^2; of two choices, the second is better beyond the threshold.
    """

    name: ClassVar[str] = "length"

    threshold: float = Field(default=400.0, gt=0)

    async def estimate(self, query: Query, choices: tuple[Choice, ...], ask: Asker) -> Estimates:
        """Compare the prompt's length with each choice's place."""
        del ask
        size = len(query.root.text)
        place = size / (size + self.threshold)
        centres = ((index + _HALF) / len(choices) for index in range(len(choices)))
        quality = tuple(-((place - centre) ** 2) for centre in centres)
        return Estimates(quality, f"the prompt has {counted(size, 'character')}")


class Perplexity(Estimator):
    """How well each model predicts the prompt itself: minus its mean nats per token (PackLLM-sim).

    quality = (1/T) sum log p(x_t | x_<t) = -log perplexity, with each model's own tokens.
    """

    name: ClassVar[str] = "perplexity"
    paper: ClassVar[str] = "arXiv:2404.11531"
    needs: ClassVar[frozenset[str]] = frozenset({"score"})

    async def estimate(self, query: Query, choices: tuple[Choice, ...], ask: Asker) -> Estimates:
        """Score the prompt under all models at once."""
        models = [_model(choice) for choice in choices]
        scores = await side_by_side(ask.perplexity(model, query) for model in models)
        figures = ", ".join(
            f"{choice.name} {score.perplexity:.4g}"
            for choice, score in zip(choices, scores, strict=True)
        )
        return Estimates(
            tuple(score.mean for score in scores), f"perplexity of the prompt: {figures}"
        )


def _model(choice: Choice) -> Model:
    if choice.model is None:
        raise PartError(
            "E302",
            f"`perplexity` needs single models, and `{choice.name}` is not one",
            "use an estimator from recorded outcomes: `route(by = knn(...))` or `route(by = "
            "linear(...))`",
        )
    return choice.model
