"""What the probe reads in replies. It reads loosely: what is not there, a server does not give."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from composer.values import JSON

    Reply = Mapping[str, JSON]

__all__ = ["ID_MARK", "choices", "is_counted", "likely", "scores", "text_of", "tokens"]

ROUNDING = 1e-6
"""How far above 0 a log-probability may be by rounding."""

ID_MARK = "token_id:"
"""What a server puts before an id where it names tokens by their ids."""


def choices(reply: Reply | None) -> list[Reply]:
    """The answers of a reply in their order by `index`; none, where it was refused."""
    listed = _list(reply or {}, "choices")
    answers: list[Reply] = [each for each in listed if isinstance(each, dict)]
    numbers = [each.get("index") for each in answers]
    if sorted(map(str, numbers)) != sorted(map(str, range(len(answers)))):
        return answers if len(answers) == 1 else []
    return sorted(answers, key=lambda each: int(str(each["index"])))


def text_of(choice: Reply) -> str:
    """The text of an answer, behind the thoughts that a server keeps apart from it."""
    message = _object(choice, "message") or choice
    fields = ("reasoning_content", "reasoning", "content", "text")
    return "".join(text for name in fields if isinstance(text := message.get(name), str))


def scores(choice: Reply) -> list[float | None]:
    """The log-probability of each token; None where a server leaves one out."""
    logprobs = _object(choice, "logprobs")
    listed = _list(logprobs, "content")
    if listed:
        return [_score(each.get("logprob")) for each in listed if isinstance(each, dict)]
    return [_score(each) for each in _list(logprobs, "token_logprobs")]


def tokens(choice: Reply) -> list[str]:
    """The texts of a completion's tokens, as the server names them."""
    return [str(token) for token in _list(_object(choice, "logprobs"), "tokens")]


def likely(choice: Reply) -> list[dict[str, float]]:
    """The log-probabilities of the likeliest tokens at each place, by how the server names them.

    A token that comes with its id is named as if the server had been asked for ids.
    """
    logprobs = _object(choice, "logprobs")
    listed = [each for each in _list(logprobs, "content") if isinstance(each, dict)]
    if listed:
        return [dict(_entries(each)) for each in listed]
    places = _list(logprobs, "top_logprobs")
    return [_numbers(each) for each in places if isinstance(each, dict)]


def is_counted(reply: Reply | None, most: int) -> bool:
    """Whether tokens read and written are counted, and as few written as were asked for."""
    usage = _object(reply or {}, "usage")
    read, written = usage.get("prompt_tokens"), usage.get("completion_tokens")
    return _is_count(read) and _is_count(written) and int(str(written)) <= most


def _is_count(value: JSON) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _entries(place: Reply) -> Iterator[tuple[str, float]]:
    for each in _list(place, "top_logprobs"):
        if isinstance(each, dict) and (score := _score(each.get("logprob"))) is not None:
            number = each.get("id")
            named = isinstance(number, int) and not isinstance(number, bool)
            yield (f"{ID_MARK}{number}" if named else str(each.get("token"))), score


def _numbers(place: Reply) -> dict[str, float]:
    read = ((name, _score(value)) for name, value in place.items())
    return {name: score for name, score in read if score is not None}


def _score(value: JSON) -> float | None:
    """A log-probability, None for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) and value < ROUNDING else None


def _list(holder: Reply, name: str) -> list[JSON]:
    value = holder.get(name)
    return value if isinstance(value, list) else []


def _object(holder: Reply, name: str) -> dict[str, JSON]:
    value = holder.get(name)
    return value if isinstance(value, dict) else {}
