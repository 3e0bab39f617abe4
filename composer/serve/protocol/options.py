"""What a request sets for its answers, as options of a query."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from composer.serve.errors import ProtocolError, error_of, refusal
from composer.values.details import TokenDetail
from composer.values.options import AnswerOptions
from composer.values.requests import AnswerSchema

if TYPE_CHECKING:
    from collections.abc import Collection

    from composer.diagnostics.errors import CodedError
    from composer.serve.protocol.bodies import ChatBody, CompletionBody, SampledBody

__all__ = ["chat_detail", "completion_detail", "field_at_fault", "options_of"]

FIELDS = {
    "schema": "response_format",
    "ignore_end": "ignore_eos",
    "prefix": "continue_final_message",
    "detail": "logprobs",
}
"""How requests call the options that have another name here."""

ANY_OBJECT = AnswerSchema('{"type": "object"}')


def options_of(
    body: SampledBody, max_tokens: int | None, seed: int, recipe_options: Collection[str]
) -> AnswerOptions:
    """Return the options of a request, without those for which the recipe's own values stand."""
    top_k = 0 if body.top_k == -1 else body.top_k
    options = {
        "temperature": body.temperature,
        "top_p": body.top_p,
        "top_k": top_k,
        "min_p": body.min_p,
        "max_tokens": max_tokens or None,
        "stop": None if body.stop is None else tuple(body.stop),
        "repetition_penalty": body.repetition_penalty,
        "presence_penalty": body.presence_penalty,
        "frequency_penalty": body.frequency_penalty,
        "logit_bias": _bias(body.logit_bias),
        "min_tokens": body.min_tokens,
        "ignore_end": bool(body.ignore_eos),
        "schema": _schema(body),
    }
    set_options = {n: each for n, each in options.items() if n not in recipe_options}
    return AnswerOptions(seed=seed, **set_options)  # type: ignore[arg-type]


def chat_detail(body: ChatBody) -> TokenDetail | None:
    """Return what a chat wants of each token, None where it wants nothing."""
    ids = _chosen_ids(body, wanted=bool(body.logprobs))
    if body.top_logprobs is not None and not body.logprobs:
        raise refusal("top_logprobs", "`top_logprobs` needs `logprobs: true`")
    return TokenDetail(body.top_logprobs or 0, ids) if body.logprobs else None


def completion_detail(body: CompletionBody) -> TokenDetail | None:
    """Return what a completion wants of each token, None where it wants nothing."""
    ids = _chosen_ids(body, wanted=body.logprobs is not None)
    return None if body.logprobs is None else TokenDetail(body.logprobs, ids)


def field_at_fault(error: CodedError, options: AnswerOptions, prompt: str) -> ProtocolError:
    """Return the error of options that a recipe cannot honour, with the field that it names."""
    protocol_error = error_of(error, prompt)
    names = {FIELDS.get(name, name): name for name in options.set_names}
    named = (field for field, name in names.items() if f"`{name}" in error.message)
    protocol_error.param = protocol_error.param or next(named, None)
    return protocol_error


def _chosen_ids(body: SampledBody, *, wanted: bool) -> tuple[int, ...]:
    if body.logprob_token_ids and not wanted:
        raise refusal("logprob_token_ids", "`logprob_token_ids` needs `logprobs`")
    return tuple(dict.fromkeys(body.logprob_token_ids or ()))


def _bias(bias: dict[str, float] | None) -> tuple[tuple[int | str, float], ...] | None:
    """Return the biases of tokens by their ids; one of 0 changes nothing."""
    pairs = tuple((int(token), value) for token, value in (bias or {}).items() if value)
    return pairs or None


def _schema(body: SampledBody) -> AnswerSchema | None:
    """Return the schema that the answer must follow."""
    form = body.response_format
    if form is None or form.type == "text":
        return None
    if form.type == "json_object":
        return ANY_OBJECT
    if form.json_schema is None:
        text = '`response_format` needs `json_schema: {"name": ..., "schema": {...}}`'
        raise refusal("response_format.json_schema", text)
    return AnswerSchema(json.dumps(form.json_schema.schema_, sort_keys=True))
