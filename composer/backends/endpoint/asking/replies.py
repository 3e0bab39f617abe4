"""What a server replied, read strictly: nothing is believed that is not there or not of its type.

A reply that cannot be used raises BadReplyError with the reason. The two forms of
log-probabilities, that of chats and that of completions, are read into one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from composer.backends.endpoint.faults import BadReplyError
from composer.diagnostics.amounts import counted
from composer.values.flow import nothing
from composer.values.results import Usage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from composer.values.card import Price
    from composer.values.flow import JSON

    Reply = Mapping[str, JSON]

__all__ = ["Choice", "NamedToken", "Position", "choices_of", "named", "spent", "vectors_of"]

ROUNDING = 1e-4
"""How far above 0 a log-probability may be by rounding."""

ID_MARK = "token_id:"
"""What a server puts before an id where it names tokens by their ids."""


@dataclass(frozen=True, slots=True)
class NamedToken:
    """A token as a server names it: by a text, by its id, or by its bytes."""

    text: str
    id: int | None = None
    spelling: bytes | None = None


@dataclass(frozen=True, slots=True)
class Position:
    """One token of a text, its log-probability if it has one, and the likeliest tokens there.

    Chats describe these tokens (`top`), completions give them by name (`row`).
    """

    token: NamedToken
    logprob: float | None
    top: tuple[tuple[NamedToken, float], ...] = ()
    row: Mapping[str, float] = field(default_factory=nothing)

    @property
    def likely(self) -> int:
        """How many of the likeliest tokens came."""
        return len(self.top) + len(self.row)


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer of a reply; `thoughts` and `refusal` are apart from its text.

    `finish` is why it ended, as the server says it; None in the midst of a stream.
    """

    text: str
    finish: str | None
    positions: tuple[Position, ...] = ()
    thoughts: str = ""
    refusal: str = ""


def choices_of(reply: Reply, count: int) -> list[Choice]:
    """Return the answers of a whole reply in their order, each of which has ended."""
    choices = numbered(reply)
    if len(choices) != count or sorted(choices) != list(range(count)):
        given = counted(len(choices), "answer")
        raise BadReplyError(f"the reply has {given} where {count} {_were(count)} asked for")
    for number in range(count):
        if choices[number].finish is None:
            raise BadReplyError("an answer of the reply has no `finish_reason`")
    return [choices[number] for number in range(count)]


def numbered(reply: Reply) -> dict[int, Choice]:
    """Return the answers of a reply, or the pieces of them in an event of a stream, by number."""
    listed = reply.get("choices")
    if not isinstance(listed, list):
        raise BadReplyError("the reply has no `choices`")
    choices: dict[int, Choice] = {}
    for at, each in enumerate(listed):
        choice = _object(each, "an answer of the reply")
        number = choice.get("index", at)
        if not isinstance(number, int) or isinstance(number, bool) or number in choices:
            raise BadReplyError("the answers of the reply are not numbered by `index`")
        choices[number] = _choice(choice)
    return choices


def spent(reply: Reply, price: Price) -> Usage:
    """Return what a request took; without a count in its reply that is unknown, and not 0."""
    usage = reply.get("usage")
    if usage is None:
        return Usage(calls=1, unpriced=1)
    counts = {name: each for name, each in _object(usage, "`usage`").items() if each is not None}
    if not counts:
        return Usage(calls=1, unpriced=1)
    read = _count(counts.get("prompt_tokens"), "prompt_tokens")
    return Usage.at(price, 1, read, _count(counts.get("completion_tokens", 0), "completion_tokens"))


def vectors_of(reply: Reply, count: int) -> list[tuple[float, ...]]:
    """Return the vectors of so many texts, in the order of the texts."""
    listed = reply.get("data")
    if not isinstance(listed, list) or len(listed) != count:
        raise BadReplyError(f"the reply has no list `data` of {counted(count, 'vector')}")
    vectors: dict[int, tuple[float, ...]] = {}
    for at, each in enumerate(listed):
        entry = _object(each, "a vector of the reply")
        vector, number = entry.get("embedding"), entry.get("index", at)
        if not isinstance(vector, list) or not vector or not isinstance(number, int):
            raise BadReplyError("a vector of the reply is no list of numbers")
        vectors[number] = tuple(_finite(value, "a vector") for value in vector)
    if sorted(vectors) != list(range(count)) or len({len(each) for each in vectors.values()}) > 1:
        raise BadReplyError("the vectors of the reply are not numbered, or not of one length")
    return [vectors[number] for number in range(count)]


def _choice(choice: Reply) -> Choice:
    """Read an answer of a chat or a completion, or a piece of one (`delta`)."""
    finish = choice.get("finish_reason")
    if finish is not None and not isinstance(finish, str):
        raise BadReplyError("the `finish_reason` of an answer is no text")
    if finish in BROKEN:
        raise BadReplyError(f"the server broke an answer off: its `finish_reason` is `{finish}`")
    whole = choice.get("message")
    is_text = "text" in choice
    message = dict(choice) if is_text else whole or choice.get("delta") or {}
    held = _object(message, "a message of the reply")
    texts = {name: _text(held.get(name), name) for name in _TEXTS}
    if (is_text and held["text"] is None) or (whole is not None and not held.keys() & _TEXTS):
        raise BadReplyError("an answer of the reply has no text")
    thoughts = texts["reasoning_content"] or texts["reasoning"]
    text = texts["content"] or texts["text"]
    return Choice(text, finish, _positions(choice.get("logprobs")), thoughts, texts["refusal"])


BROKEN = frozenset({"error", "abort"})
"""Why an answer ended that the server could not finish."""

_TEXTS = frozenset({"text", "content", "reasoning_content", "reasoning", "refusal"})
"""Where an answer has texts: completions have `text`, chats the others."""


def _positions(logprobs: JSON) -> tuple[Position, ...]:
    if logprobs is None:
        return ()
    held = _object(logprobs, "`logprobs`")
    content = held.get("content")
    if isinstance(content, list):
        return tuple(_described(_object(each, "a token of `logprobs`")) for each in content)
    if content is None and "tokens" not in held:
        return ()
    return _columns(held)


def _described(entry: Reply) -> Position:
    """Read a token as chats describe it."""
    top = entry.get("top_logprobs") or []
    if not isinstance(top, list):
        raise BadReplyError("`top_logprobs` is no list")
    others = [_object(each, "a token of `top_logprobs`") for each in top]
    likely = tuple((_token(each), _logprob(each.get("logprob"))) for each in others)
    logprob = entry.get("logprob")
    return Position(_token(entry), None if logprob is None else _logprob(logprob), likely)


def _columns(held: Reply) -> tuple[Position, ...]:
    """Read tokens as completions list them."""
    tokens, values = held.get("tokens"), held.get("token_logprobs")
    if not isinstance(tokens, list) or not isinstance(values, list) or len(tokens) != len(values):
        raise BadReplyError("`tokens` and `token_logprobs` are not lists of one length")
    top = held.get("top_logprobs")
    rows = [None] * len(tokens) if top is None else top
    if not isinstance(rows, list) or len(rows) != len(tokens):
        raise BadReplyError("`tokens` and `top_logprobs` are not lists of one length")
    return tuple(
        Position(
            named(_text(token, "token")),
            None if value is None else _logprob(value),
            row=_row(row),
        )
        for token, value, row in zip(tokens, values, rows, strict=True)
    )


def _row(row: JSON) -> Mapping[str, float]:
    """Check the log-probabilities of a position at once: there may be many."""
    likely = {} if row is None else _object(row, "an entry of `top_logprobs`")
    values = [value for value in likely.values() if isinstance(value, float)]
    usual = len(values) == len(likely) and all(map(math.isfinite, values))
    if usual and max(values, default=0.0) <= 0:
        return dict(zip(likely, values, strict=True))
    return {name: _logprob(value) for name, value in likely.items()}


def _token(entry: Reply) -> NamedToken:
    """Read a token with its id or its bytes, as far as they are told."""
    token, number, spelling = entry.get("token"), entry.get("id"), entry.get("bytes")
    if not isinstance(token, str):
        raise BadReplyError("a token of `logprobs` has no text")
    known = named(token)
    if isinstance(number, int) and not isinstance(number, bool):
        known = NamedToken(token, number)
    if isinstance(spelling, list) and spelling:
        try:
            return NamedToken(known.text, known.id, bytes(spelling))  # type: ignore[arg-type]
        except (TypeError, ValueError):
            raise BadReplyError("the `bytes` of a token are no numbers from 0 to 255") from None
    return known


def named(name: str) -> NamedToken:
    """Return the token that a server calls so."""
    number = name.removeprefix(ID_MARK)
    return (
        NamedToken(name, int(number)) if number != name and number.isdigit() else NamedToken(name)
    )


def _logprob(value: JSON) -> float:
    if value == -math.inf:
        return -math.inf
    number = _finite(value, "a log-probability")
    if number > ROUNDING:
        raise BadReplyError(f"a log-probability of the reply is above 0: {number:g}")
    return min(number, 0.0)


def _finite(value: JSON, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise BadReplyError(f"{what} of the reply holds what is no number: {str(value)[:20]}")
    return float(value)


def _count(value: JSON, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise BadReplyError(f"`{name}` of the reply is no number of tokens: {str(value)[:20]}")
    return value


def _text(value: JSON, name: str) -> str:
    if value is not None and not isinstance(value, str):
        raise BadReplyError(f"`{name}` of the reply is no text")
    return value or ""


def _object(value: JSON, what: str) -> dict[str, JSON]:
    if not isinstance(value, dict):
        raise BadReplyError(f"{what} is no object")
    return value


def _were(count: int) -> str:
    return "was" if count == 1 else "were"
