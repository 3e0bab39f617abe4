"""The values that flow through a recipe, and the protocol through which steps ask models."""

from composer.ports.asking import Asker, Later, Sampling, Score, Usage
from composer.ports.kinds import Port, port_of
from composer.ports.learnt import Fitted, State, Trainable
from composer.ports.once import Once
from composer.ports.typed import FilePath, MaybeFile, ModelPath, Typed
from composer.ports.values import (
    Candidates,
    Decision,
    Member,
    Message,
    Model,
    Query,
    Ranking,
    Text,
    Value,
    widen,
)

__all__ = [
    "Asker",
    "Candidates",
    "Decision",
    "FilePath",
    "Fitted",
    "Later",
    "MaybeFile",
    "Member",
    "Message",
    "Model",
    "ModelPath",
    "Once",
    "Port",
    "Query",
    "Ranking",
    "Sampling",
    "Score",
    "State",
    "Text",
    "Trainable",
    "Typed",
    "Usage",
    "Value",
    "port_of",
    "widen",
]
