"""Events of a run as the JSON that the page reads."""

from __future__ import annotations

import codecs
import json
import math
from typing import TYPE_CHECKING

from composer.diagnostics.secrets import starred
from composer.run.events import (
    CallBegan,
    CallEnded,
    CallText,
    CallToken,
    StepBegan,
    StepEnded,
)

if TYPE_CHECKING:
    from codecs import IncrementalDecoder
    from collections.abc import Mapping, Sequence

    from composer.run.events import Event
    from composer.values.details import LikelyToken, MemberChoice, TokenChoice

__all__ = ["EventWriter", "json_text"]

DIGITS = 5
"""Digits behind the point of seconds and of log-probabilities."""

Likely = tuple[str | None, float | None] | tuple[str | None, float | None, str]


class EventWriter:
    """Writes the events of one query; letters whose bytes are several tokens are put together."""

    def __init__(self) -> None:
        self._decoders: dict[tuple[str, int], IncrementalDecoder] = {}

    def write(self, event: Event) -> str:
        """Return an event as JSON."""
        return json_text({**self._fields(event), "at": round(event.at, DIGITS)})

    def _fields(self, event: Event) -> Mapping[str, object]:
        match event:
            case StepBegan(step, op):
                return {"type": "step", "step": step, "op": op}
            case StepEnded(step, _, gave, notes, error):
                fields = {
                    "gave": gave,
                    "notes": dict(notes),
                    "error": _starred(error),
                }
                return {"type": "step_end", "step": step, **fields}
            case CallBegan(step, call, model, what):
                return {"type": "call", "step": step, "call": call, "model": model, "what": what}
            case CallText(step, call, text):
                return {"type": "text", "step": step, "call": call, "text": text}
            case CallToken(step, call, choice):
                token = self._token(step, call, choice)
                return {"type": "token", "step": step, "call": call, "token": token}
            case CallEnded(step, call):
                return {"type": "call_end", "step": step, "call": call, **_ending(event)}

    def _token(self, step: str, call: int, choice: TokenChoice) -> Mapping[str, object]:
        decoder = self._decoders.get((step, call))
        if decoder is None:
            decoder = codecs.getincrementaldecoder("utf-8")("replace")
            self._decoders[step, call] = decoder
        piece = choice.chosen.piece
        partial = {} if _text(piece) is not None else {"bytes": piece.hex()}
        return {
            "text": decoder.decode(piece, final=not piece),
            **partial,
            "end": not piece,
            "id": choice.chosen.id,
            "logprob": _number(choice.chosen.logprob),
            "top": _likely(choice.top),
            "members": [_member(member) for member in choice.members],
        }


def _ending(event: CallEnded) -> Mapping[str, object]:
    return {
        "text": event.text,
        "tokens": event.tokens,
        "usage": {name: usage.as_dict() for name, usage in event.usage.items()},
        "cached": event.cached,
        "finish": event.finish,
        "error": _starred(event.error),
    }


def json_text(value: object) -> str:
    """Return a value as JSON; numbers that JSON has not, such as infinity, are null."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError:
        return json.dumps(_finite(value), ensure_ascii=False, separators=(",", ":"))


def _finite(value: object) -> object:
    match value:
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {str(name): _finite(each) for name, each in value.items()}
        case list() | tuple():
            return [_finite(each) for each in value]
        case _:
            return value


def _member(member: MemberChoice) -> Mapping[str, object]:
    return {
        "name": member.name,
        "weight": _number(member.weight),
        "logprob": _number(member.logprob),
        "top": _likely(member.top),
    }


def _likely(tokens: Sequence[LikelyToken]) -> list[Likely]:
    """Return tokens that can occur; what is no whole letter has its bytes and no text."""
    return [_one_likely(token) for token in tokens if token.logprob > -math.inf]


def _one_likely(token: LikelyToken) -> Likely:
    text, logprob = _text(token.piece), _number(token.logprob)
    return (text, logprob) if text is not None else (None, logprob, token.piece.hex())


def _text(piece: bytes) -> str | None:
    """Return bytes as text, None where they are part of a letter."""
    try:
        return piece.decode()
    except UnicodeDecodeError:
        return None


def _number(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else round(value, DIGITS)


def _starred(error: str | None) -> str | None:
    return None if error is None else starred(error)
