"""The values that flow through a recipe, and the protocol through which steps ask models."""

from importlib import import_module
from typing import TYPE_CHECKING

from composer.values.asker import Asker, LazyBranch
from composer.values.capability import Capability
from composer.values.card import Card
from composer.values.errors import ModelError
from composer.values.fitted import Fitted, State, Trainable
from composer.values.flow import (
    JSON,
    Candidates,
    Decision,
    Message,
    Model,
    Query,
    Ranking,
    Text,
    Value,
    widen,
)
from composer.values.gather import MaybeMissing, MissingAnswer, Quorum
from composer.values.kinds import Port, port_of
from composer.values.once_cache import OnceCache
from composer.values.processing import Processing
from composer.values.typed import FilePath, MaybeFile, ModelPath, Typed

if TYPE_CHECKING:
    from composer.values.requests import (
        Client,
        Completion,
        Distribution,
        Embed,
        Embedded,
        Generate,
        Generated,
        NextTokens,
        Request,
        Reward,
        Rewarded,
        Sampling,
        Score,
        ScoreTexts,
        Span,
        Usage,
    )

__all__ = [
    "JSON",
    "Asker",
    "Candidates",
    "Capability",
    "Card",
    "Client",
    "Completion",
    "Decision",
    "Distribution",
    "Embed",
    "Embedded",
    "FilePath",
    "Fitted",
    "Generate",
    "Generated",
    "LazyBranch",
    "MaybeFile",
    "MaybeMissing",
    "Message",
    "MissingAnswer",
    "Model",
    "ModelError",
    "ModelPath",
    "NextTokens",
    "OnceCache",
    "Port",
    "Processing",
    "Query",
    "Quorum",
    "Ranking",
    "Request",
    "Reward",
    "Rewarded",
    "Sampling",
    "Score",
    "ScoreTexts",
    "Span",
    "State",
    "Text",
    "Trainable",
    "Typed",
    "Usage",
    "Value",
    "port_of",
    "widen",
]


def __getattr__(name: str) -> object:
    """Import what is asked of models when it is first used: finding mistakes needs none of it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module("composer.values.requests"), name)
    globals()[name] = value
    return value
