"""How an answer is to be drawn, in the words of a server: what it does not heed is an error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.checkpoints.biases import biased
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from composer.backends.endpoint.asking.served import ServedModel
    from composer.values.flow import JSON
    from composer.values.requests import Sampling

__all__ = ["drawing", "seed_for"]

SEEDS = 1 << 31
"""Servers take seeds of 31 bits; ours have more."""

PENALTIES = ("presence_penalty", "frequency_penalty")


def drawing(model: ServedModel, sampling: Sampling) -> dict[str, JSON]:
    """Return the options of a request for an answer; raises ModelError (E407).

    Stop strings are sent as far as the server takes them: the answer is cut here as well.
    """
    body = model.neutral | model.most(sampling.max_tokens)
    body |= {"temperature": sampling.temperature, "top_p": sampling.top_p}
    for name in ("top_k", "min_p"):
        if getattr(sampling, name):
            _demand(model, name, heeded=getattr(model.gives, name))
            body[name] = getattr(sampling, name)
    if sampling.max_length is not None:
        _demand(model, "max_length", heeded=False)
    for name, value in sampling.processing.set_options.items():
        body |= _processing(model, name, value)
    if sampling.schema is not None:
        _demand(model, "schema", heeded=model.gives.schema)
        body["response_format"] = sampling.schema.response_format
    stops = [] if sampling.keep_stop else [text for text in sampling.stop if text]
    if stops[: model.gives.stops]:
        body["stop"] = list(stops[: model.gives.stops])
    return body


def seed_for(seed: int) -> int:
    """Return a seed as servers take them: the low 31 bits of ours."""
    return seed % SEEDS


def _processing(model: ServedModel, name: str, value: object) -> dict[str, JSON]:
    """Return an option that changes logits, by the name that the server has for it."""
    gives = model.gives
    match name, value:
        case "repetition_penalty", float() | int():
            names = [each for each in (name, "repeat_penalty") if getattr(gives, each)]
            _demand(model, name, heeded=bool(names))
            return dict.fromkeys(names, value)
        case "min_tokens", int():
            _demand(model, name, heeded=gives.min_tokens)
            return {name: value}
        case "logit_bias", tuple():
            _demand(model, name, heeded=gives.logit_bias)
            return {name: _bias(model, value)}
        case _, float() | int() if name in PENALTIES:
            _demand(model, name, heeded=gives.penalties)
            return {name: value}
    _demand(model, name, heeded=False)
    return {}


def _bias(model: ServedModel, bias: tuple[tuple[int | str, float], ...]) -> dict[str, JSON]:
    """Return a bias by ids; a text is looked up in the tokenizer that the recipe names."""
    texts = [token for token, _ in bias if isinstance(token, str)]
    if model.writer is not None:
        return {
            str(token): value
            for token, value in biased(model.writer.vocabulary.pieces, bias, model.name)
        }
    if texts:
        raise ModelError(
            "E407",
            f"`logit_bias` names the token {texts[0]!r} by its text, and the tokenizer of "
            f"`{model.name}` is not known",
            "name tokens by their ids, or give the model a `tokenizer`",
        )
    return {str(token): value for token, value in bias}


def _demand(model: ServedModel, option: str, *, heeded: bool) -> None:
    if not heeded:
        raise ModelError(
            "E407",
            f"`{model.name}` does not support `{option}`: its server was not found to heed it",
            "leave the option out, or state the ability where the model is declared",
        )
