"""The values that flow through a recipe, and what steps and models say to each other.

1. What flows along the wires of a graph (`flow.py`): a Query comes in; steps make a Text of it (one
   answer), Candidates (several answers), a Ranking (answers with scores) or a Decision (weights
   over branches). A Model is a wire too: it is described here, never loaded. Each kind of wire is a
   Port, and every value carries its query. Images and other parts of messages that are no text
   have marks in their places (`media.py`).
2. How a step asks a model (`asker.py`, `requests.py`, `results.py`): the step is given an Asker and
   puts requests to it: Generate, ScoreTexts, Embed, Reward or NextTokens. A Client answers each
   with a result: Generated, which holds Completions, Scores, Embedded, Rewarded, or
   NextDistributions.
3. What is known of a model before it is loaded (`card.py`, `capability.py`), what parts are fitted
   to (`fitted.py`), how recipes write options (`typed.py`, `processing.py`).
4. What happens when a branch fails (`errors.py`, `gather.py`): its answer is a MissingAnswer, and
   a Quorum says how many must answer.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from composer.values.asker import Asker, LazyBranch
from composer.values.capability import Capability
from composer.values.card import Card
from composer.values.errors import ModelError
from composer.values.fitted import Fitted, OnceCache, State, Trainable
from composer.values.flow import (
    ANSWER_PORTS,
    JSON,
    Candidates,
    Decision,
    Message,
    Model,
    Port,
    Query,
    Ranking,
    Text,
    TypicalityRank,
    Value,
    port_of,
    widen,
)
from composer.values.gather import MaybeMissing, MissingAnswer, Quorum
from composer.values.processing import Processing
from composer.values.typed import (
    FilePath,
    MaybeFile,
    MaybeWritten,
    ModelPath,
    Typed,
    WrittenFile,
)

if TYPE_CHECKING:
    from composer.values.requests import (
        AnswerSchema,
        Client,
        Embed,
        Generate,
        NextTokens,
        Request,
        Reward,
        Sampling,
        ScoreTexts,
    )
    from composer.values.results import (
        Completion,
        Distribution,
        Embedded,
        Generated,
        NextDistributions,
        Rewarded,
        Score,
        Span,
        Usage,
    )

__all__ = [
    "ANSWER_PORTS",
    "JSON",
    "AnswerSchema",
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
    "MaybeWritten",
    "Message",
    "MissingAnswer",
    "Model",
    "ModelError",
    "ModelPath",
    "NextDistributions",
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
    "TypicalityRank",
    "Usage",
    "Value",
    "WrittenFile",
    "port_of",
    "widen",
]

REQUESTS = frozenset(
    {
        *("AnswerSchema", "Client", "Embed", "Generate", "NextTokens"),
        *("Request", "Reward", "Sampling", "ScoreTexts"),
    }
)
"""Names of the module `requests`; the other late ones are of `results`."""


def __getattr__(name: str) -> object:
    """Import requests and results when they are first used: a check of a recipe needs none."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = "requests" if name in REQUESTS else "results"
    value: object = getattr(import_module(f"composer.values.{module}"), name)
    globals()[name] = value
    return value
