"""The ports of the language: the type that each wire has."""

from __future__ import annotations

import enum

from composer.values.flow import Candidates, Decision, Model, Query, Ranking, Text


class Port(enum.Enum):
    """The type of a wire; its value is how a message names it."""

    QUERY = "a query"
    TEXT = "one answer"
    CANDIDATES = "Candidates"
    RANKING = "a Ranking"
    DECISION = "a Decision"
    MODEL = "a model"

    def fits(self, accepted: frozenset[Port]) -> bool:
        """Say whether a wire of this port may enter where `accepted` are taken."""
        widens = self in (Port.TEXT, Port.RANKING) and Port.CANDIDATES in accepted
        return self in accepted or widens


_PORTS: dict[type, Port] = {
    Query: Port.QUERY,
    Text: Port.TEXT,
    Candidates: Port.CANDIDATES,
    Ranking: Port.RANKING,
    Decision: Port.DECISION,
}


def port_of(kind: object) -> Port | None:
    """Return the port that values of a class travel on, None for any other class."""
    if not isinstance(kind, type):
        return None
    return Port.MODEL if issubclass(kind, Model) else _PORTS.get(kind)
