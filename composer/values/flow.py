"""What flows through the graph of a recipe: Query, Text, Candidates, Ranking, Decision, Model.

Every value is frozen and carries its query. A Port is the type of a wire.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from random import Random

    from composer.values.capability import Capability
    from composer.values.details import TokenChoice
    from composer.values.gather import MissingAnswer

JSON: TypeAlias = str | int | float | bool | list["JSON"] | dict[str, "JSON"] | None
"""What JSON can hold."""

Message = tuple[str, str]
"""A role (`system`, `user` or `assistant`) and what it said; see `media.py` for what is no text."""


REPLACED = "\ufffd"
"""What stands in a text for bytes that are no character."""


def nothing() -> Mapping[str, Any]:
    """Return an empty mapping that cannot be written to."""
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Query:
    """A question: a conversation whose last message is the user's, with an id and fields.

    `before` holds the value that `prompt(...)` made this query from, if it did. `content` is
    a hash of a row without an id of its own, whose `id` is only its position. `media` are the
    content parts that are no text, by the marks that messages have in their places. A `raw` query
    is one user message, whose text each model reads as it is, without its chat template; `ids` are
    then its tokens, where they were given as such, of the tokenizer with the fingerprint
    `vocabulary`; `special` are those that are no text, each by its place in the text, its name, and
    whether it ends an answer. `draft` is a text that the answer may repeat: a model of this process
    checks it, where it writes greedily, instead of writing every token anew.
    """

    messages: tuple[Message, ...]
    id: str = "0"
    fields: Mapping[str, Any] = field(default_factory=nothing, compare=False)
    before: Query | Text | Candidates | Ranking | None = field(default=None, compare=False)
    content: str = field(default="", compare=False)
    media: Mapping[str, JSON] = field(default_factory=nothing, compare=False)
    raw: bool = False
    ids: tuple[int, ...] = ()
    vocabulary: str = ""
    special: tuple[tuple[int, str, bool], ...] = ()
    draft: str = field(default="", compare=False)

    @classmethod
    def of(cls, text: str, *, id: str = "0", **fields: object) -> Query:
        """Make a query of one user message."""
        return cls((("user", text),), id, MappingProxyType(fields))

    @property
    def text(self) -> str:
        """The user's last message."""
        return next((content for role, content in reversed(self.messages) if role == "user"), "")

    @property
    def is_whole(self) -> bool:
        """Whether its text says all that its ids say, but for special tokens."""
        return not self.ids or REPLACED not in self.text

    @property
    def drawn_by(self) -> str:
        """What sampling depends on: the id, or the content of a row without an id."""
        return self.content or self.id

    @property
    def root(self) -> Query:
        """The query that the recipe was given, before any `prompt(...)`."""
        query = self
        while query.before is not None:
            query = query.before if isinstance(query.before, Query) else query.before.query
        return query

    def asking(self, text: str, before: Query | Text | Candidates | Ranking) -> Query:
        """Return a query with the text `text`, which remembers the value it was made from."""
        messages = (("user", text),)
        return replace(self.chatted(messages), before=before)

    def chatted(self, messages: tuple[Message, ...]) -> Query:
        """Return the query with other messages, which a chat template renders."""
        return replace(self, messages=messages, raw=False, ids=(), vocabulary="", special=())

    def rewritten(self, text: str) -> Query:
        """Return the query with another text in place of its messages, raw if it is raw."""
        return replace(self.chatted((("user", text),)), raw=self.raw)


@dataclass(frozen=True, slots=True)
class Text:
    """One answer.

    `source` names who wrote it. `logprobs` are natural logarithms, one a token; `confidence` is
    the geometric mean probability of the tokens, None where it cannot be known. `value` is what
    `extract` read out of the text; when `extracted` is set and `value` is None, the answer
    abstains. `tally` holds the share of votes of each answer when a vote chose this one. `choices`
    has one for each token, where details were wanted.
    """

    query: Query
    text: str
    source: str = ""
    tokens: tuple[str, ...] = ()
    logprobs: tuple[float, ...] = ()
    confidence: float | None = None
    value: str | None = None
    extracted: bool = False
    tally: Mapping[str, float] = field(default_factory=nothing, compare=False)
    facts: Mapping[str, Any] = field(default_factory=nothing, compare=False)
    choices: tuple[TokenChoice, ...] = field(default=(), compare=False, repr=False)

    @property
    def answer(self) -> str | None:
        """What votes compare: the value that `extract` read, else the text.

        None abstains: nothing was read, or the text is empty.
        """
        return self.value if self.extracted else self.text.strip() or None


@dataclass(frozen=True, slots=True)
class Candidates:
    """Several answers, in order. `named` are the names of their branches, if these have any.

    `failed` are the branches without an answer, and the positions that their answers would have.
    `facts` are what steps found out about all of them together, such as an analysis.
    """

    query: Query
    texts: tuple[Text, ...]
    named: tuple[str, ...] = ()
    failed: tuple[MissingAnswer, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=nothing, compare=False)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the branches, unique."""
        return self.named or unique(text.source for text in self.texts)

    def in_order(self, places: Sequence[int]) -> Candidates:
        """Return all answers in another order, with their names; missing ones come last."""
        names = self.names
        return replace(
            self,
            texts=tuple(self.texts[at] for at in places),
            named=tuple(names[at] for at in places),
            failed=tuple(replace(each, at=len(places)) for each in self.failed),
        )

    def shuffled(self, rng: Random) -> Candidates:
        """Return all answers in a random order."""
        places = list(range(len(self.texts)))
        rng.shuffle(places)
        return self.in_order(places)

    def ranked(self, places: Sequence[int], scores: Sequence[float]) -> Ranking:
        """Return a ranking of all answers: their places, best first, and the score at each."""
        best = self.in_order(places)
        ordered = tuple(scores[at] for at in places)
        return Ranking(self.query, best.texts, ordered, best.names, best.failed, self.facts)


@dataclass(frozen=True, slots=True)
class Ranking:
    """Answers with a score each, best first; `failed` are the branches without an answer."""

    query: Query
    texts: tuple[Text, ...]
    scores: tuple[float, ...]
    names: tuple[str, ...] = ()
    failed: tuple[MissingAnswer, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=nothing, compare=False)


@dataclass(frozen=True, slots=True)
class TypicalityRank:
    """How typical a query is of the data of a fit: its rank among `rows` held-out rows of these.

    `rank` counts the held-out rows that are at least as unusual as the query.
    """

    rank: int
    rows: int

    @property
    def p_value(self) -> float:
        """The probability that a query like the data is at least as unusual."""
        return (self.rank + 1) / (self.rows + 1)

    @classmethod
    def of(cls, p_value: float, held_out_rows: int) -> TypicalityRank:
        """Return the rank with this p-value."""
        return cls(round(p_value * (held_out_rows + 1)) - 1, held_out_rows)

    def as_dict(self) -> dict[str, JSON]:
        """Return the plain values of traces and `--json`."""
        return {"p_value": self.p_value, "held_out_rows": self.rows}


@dataclass(frozen=True, slots=True)
class Decision:
    """A route's weights over branches; 0 is not chosen. `many` says whether several may be.

    `estimates` are the qualities that led to the weights, `because` says in words how.
    `typicality` says how typical the query is of what they were learnt from, None where unknown.
    """

    query: Query
    weights: Mapping[str, float]
    many: bool = False
    estimates: Mapping[str, float] = field(default_factory=nothing, compare=False)
    because: str = ""
    typicality: TypicalityRank | None = field(default=None, compare=False)

    @property
    def chosen(self) -> tuple[str, ...]:
        """The names with a weight, heaviest first (equal weights in the order of the bank)."""
        live = [name for name, weight in self.weights.items() if weight > 0]
        return tuple(sorted(live, key=lambda name: -self.weights[name]))


class Model:
    """A model as a recipe describes it; its kinds are those of `composer.specs`, and no others.

    A model is a frozen value: it says what it is and what it can do, and opens nothing.
    """

    if TYPE_CHECKING:  # what the kinds have as fields or properties; a field takes no default here

        @property
        def name(self) -> str:
            """The name in answers, traces and reports."""

        @property
        def members(self) -> tuple[Model, ...]:
            """The models that it is made of."""

        @property
        def capabilities(self) -> Capability:
            """What the model can do, as far as light files tell."""

    @classmethod
    def __get_pydantic_json_schema__(cls, _schema: object, _handler: object) -> dict[str, str]:
        return {"type": "string", "description": "the name of a model"}


Value = Query | Text | Candidates | Ranking | Decision | Model


def widen(value: Value) -> Value:
    """Turn one answer or a ranking into candidates; leave anything else as it is."""
    if isinstance(value, Text):
        return Candidates(value.query, (value,))
    if isinstance(value, Ranking):
        return Candidates(value.query, value.texts, value.names, value.failed, value.facts)
    return value


def unique(names: Iterable[str]) -> tuple[str, ...]:
    """Number the repeats of a name: A, B, A becomes A, B, A#2."""
    counts: dict[str, int] = {}
    numbered = []
    for name in names:
        counts[name] = counts.get(name, 0) + 1
        numbered.append(name if counts[name] == 1 else f"{name}#{counts[name]}")
    return tuple(numbered)


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


ANSWER_PORTS = frozenset({Port.TEXT, Port.CANDIDATES, Port.RANKING})
"""The types of wires on which answers come."""

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
