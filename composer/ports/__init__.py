"""The values that flow through a recipe, and the protocol through which steps ask models."""

from composer.ports.asking import Asker, Later, Member, Sampling, Score, Usage
from composer.ports.kinds import Port, port_of
from composer.ports.typed import FilePath, ModelPath, Typed
from composer.ports.values import (
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

__all__ = [
    "Asker",
    "Candidates",
    "Decision",
    "FilePath",
    "Later",
    "Member",
    "Message",
    "Model",
    "ModelPath",
    "Port",
    "Query",
    "Ranking",
    "Sampling",
    "Score",
    "Text",
    "Typed",
    "Usage",
    "Value",
    "port_of",
    "widen",
]
