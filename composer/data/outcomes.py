"""What a row recorded of each model, every number of it checked."""

from __future__ import annotations

import json
import math
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeGuard

from composer.data.row import BadRow
from composer.diagnostics import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["confidence_of", "cost_of", "logprobs_of", "quality_of", "recorded_of", "stand_in"]

RIGHT, WRONG, UNKNOWN = "(right)", "(wrong)", "(not recorded)"
"""What stands for an answer of which only the judgement was recorded, or nothing at all."""

HALF = 0.5

RECORDED = '"recorded": {"model": {"text": "...", "correct": true}}'

ROUNDED = 1e-6
"""A log-probability of so much above 0 is 0 that was rounded."""

LARGEST = 10**12
"""No answer has more tokens, takes more seconds or costs more dollars."""


def recorded_of(row: Mapping[str, object]) -> Mapping[str, Mapping[str, Any]]:
    """Return what was recorded of each model, nothing where nothing was; raises BadRow."""
    recorded = row.get("recorded")
    if recorded is None:
        return MappingProxyType({})
    if not isinstance(recorded, dict) or not all(
        isinstance(one, dict) for one in recorded.values()
    ):
        raise BadRow('"recorded" must map models to answers', f"write {RECORDED}")
    for name, outcome in recorded.items():
        _check(name, outcome)
    return recorded


def quality_of(outcome: Mapping[str, Any]) -> float | None:
    """Return the quality of a recorded answer: its `correct` where it has one, else its `score`."""
    score = outcome.get("correct")
    score = outcome.get("score") if score is None else score
    return None if score is None else float(score)


def cost_of(outcome: Mapping[str, Any], price: tuple[float, float] | None) -> float | None:
    """Return the dollars of a recorded answer: its tokens at a price, else the `cost` recorded.

    None where neither is known: a price alone does not say how long an answer was, and the tokens
    written alone do not say what was read. `price` is in dollars per million tokens read and
    written.
    """
    if price is not None:
        keys = ("prompt_tokens", "completion_tokens")
        paid = [(outcome.get(key), rate) for key, rate in zip(keys, price, strict=True) if rate]
        dollars = [float(count) * rate for count, rate in paid if count is not None]
        if len(dollars) == len(paid):
            return sum(dollars) / 1e6
    cost = outcome.get("cost")
    return None if cost is None else float(cost)


def logprobs_of(outcome: Mapping[str, Any]) -> tuple[float, ...]:
    """Return the log-probability of each token, nothing where these are not known one by one."""
    return tuple(min(0.0, float(one)) for one in outcome.get("logprobs") or ())


def confidence_of(outcome: Mapping[str, Any]) -> float | None:
    """Return the mean probability of the tokens, else the model's confidence in its whole answer.

    In the published data `logprob` is that confidence: of the chosen letter, or that its own
    answer is true. It is no sum over tokens, so it is not divided.
    """
    logprobs = logprobs_of(outcome)
    if logprobs:
        return math.exp(math.fsum(logprobs) / len(logprobs))
    whole = outcome.get("logprob")
    return None if whole is None else math.exp(min(0.0, whole))


def stand_in(outcome: Mapping[str, Any], reference: object = None) -> str:
    """Return what stands for an answer without words: for a right one, the reference."""
    quality = quality_of(outcome)
    if quality is None:
        return UNKNOWN
    if quality < HALF:
        return WRONG
    return RIGHT if reference is None else str(reference)


def _check(name: str, outcome: Mapping[str, object]) -> None:
    """Raise BadRow where something that was recorded is not what its name promises."""
    slip = _slip(frozenset(outcome))
    if slip is not None:
        raise BadRow(f"`{name}` has the unknown field `{slip[0]}`", f"did you mean `{slip[1]}`?")
    for key, (right, message, advice) in _FACTS.items():
        value = outcome.get(key)
        if value is not None and not right(value):
            shown = json.dumps(value, ensure_ascii=False, default=str)[:_SHOWN]
            raise BadRow(message.format(name=name, shown=shown, key=key), advice)
    tokens, each = outcome.get("tokens"), outcome.get("logprobs")
    if isinstance(tokens, list) and isinstance(each, list) and len(tokens) != len(each):
        message = f"`{name}` has {len(tokens)} `tokens` but {len(each)} `logprobs`"
        raise BadRow(message, "write one log-probability for each token")


_SHOWN = 60

_SAME = {
    "text": ("answer", "response", "output", "content", "completion", "prediction"),
    "cost": ("price", "dollars", "usd"),
}
_MEANT = {word: name for name, words in _SAME.items() for word in words}
"""Other words for a fact."""


@lru_cache(maxsize=256)
def _slip(names: frozenset[str]) -> tuple[str, str] | None:
    """Return a name that is near that of a fact which is not there, and that one; None without.

    Names that are far from all facts are what published files have besides.
    """
    for name in sorted(names.difference(_FACTS)):
        meant = _MEANT.get(name.lower()) or nearest(name, _FACTS)
        if meant is None or meant in names or (meant == "text" and "answers" in names):
            continue
        return name, meant
    return None


def is_number(value: object) -> TypeGuard[int | float]:
    """Say whether a value is a finite number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and _finite(value)


def _finite(value: float) -> bool:
    return abs(value) <= LARGEST if isinstance(value, int) else math.isfinite(value)


def _label(value: object) -> bool:
    return isinstance(value, bool) or (is_number(value) and 0 <= value <= 1)


def _amount(value: object) -> bool:
    return is_number(value) and 0 <= value <= LARGEST


def _count(value: object) -> bool:
    return is_number(value) and 0 <= value <= LARGEST and float(value).is_integer()


def _logprob(value: object) -> bool:
    return is_number(value) and value <= ROUNDED


def _spoken(value: object) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _each(kind: Callable[[object], bool], *, least: int = 0) -> Callable[[object], bool]:
    return lambda value: isinstance(value, list) and len(value) >= least and all(map(kind, value))


_BETWEEN = (
    "the `{key}` of `{name}` must be between 0 and 1, not {shown}",
    "write true or false for `correct`, and a number between 0 and 1 for `score`",
)
_TOKENS = (
    "the `{key}` of `{name}` must be a number of tokens, not {shown}",
    "write a whole number, 0 or more",
)
_FACTS: dict[str, tuple[Callable[[object], bool], str, str]] = {
    "correct": (_label, *_BETWEEN),
    "score": (_label, *_BETWEEN),
    "cost": (
        _amount,
        "the `cost` of `{name}` must be a number of dollars, not {shown}",
        "write 0 or more dollars",
    ),
    "seconds": (
        _amount,
        "the `{key}` of `{name}` must be a number of seconds, not {shown}",
        "write 0 or more seconds",
    ),
    "prompt_tokens": (_count, *_TOKENS),
    "completion_tokens": (_count, *_TOKENS),
    "logprob": (
        _logprob,
        "a log-probability of `{name}` must not be {shown}",
        "write a number of 0 or less",
    ),
    "logprobs": (
        _each(_logprob),
        "the `logprobs` of `{name}` must be a list of numbers, not {shown}",
        "write a list of numbers of 0 or less, one for each token",
    ),
    "tokens": (
        _each(lambda value: isinstance(value, str)),
        "the `tokens` of `{name}` must be a list of texts, not {shown}",
        "write a list of texts, of the same length as `logprobs`",
    ),
    "text": (
        _spoken,
        "the `text` of `{name}` must be a text, not {shown}",
        "write a text, or null if there is no answer",
    ),
    "answers": (
        _each(lambda value: value is None or _spoken(value)),
        "the `answers` of `{name}` must be a list of texts, not {shown}",
        "write a list of texts, with null where there is no answer",
    ),
}
"""What each fact must be, how it is said that one is not, and the advice."""
