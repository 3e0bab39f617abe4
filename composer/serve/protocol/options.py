"""What a request sets for its answers, as options of a query."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from composer.run.result import Failure
from composer.serve.errors import ProtocolError, error_of, refusal
from composer.serve.protocol.prompts import known_ids
from composer.values.details import TokenDetail
from composer.values.options import AnswerOptions
from composer.values.requests import AnswerSchema

if TYPE_CHECKING:
    from composer.backends.endpoint.asking.prompting import PromptWriter
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


def options_of(body: SampledBody, max_tokens: int | None, seed: int) -> AnswerOptions:
    """Return the options that all requests have."""
    return AnswerOptions(
        temperature=body.temperature,
        top_p=body.top_p,
        top_k=0 if body.top_k == -1 else body.top_k,
        min_p=body.min_p,
        max_tokens=max_tokens or None,
        stop=None if body.stop is None else tuple(body.stop),
        repetition_penalty=body.repetition_penalty,
        presence_penalty=body.presence_penalty,
        frequency_penalty=body.frequency_penalty,
        logit_bias=_bias(body.logit_bias),
        min_tokens=None if _has_fixed_length(body, max_tokens) else body.min_tokens,
        seed=seed,
        ignore_end=bool(body.ignore_eos),
        schema=_schema(body),
    )


def chat_detail(body: ChatBody, tokenizer: PromptWriter | None) -> TokenDetail | None:
    """Return what a chat wants of each token, None where it wants nothing."""
    ids = _chosen_ids(body, tokenizer, wanted=bool(body.logprobs))
    if body.top_logprobs and not body.logprobs:
        raise refusal("top_logprobs", "`top_logprobs` needs `logprobs: true`")
    return TokenDetail(body.top_logprobs or 0, ids) if body.logprobs else None


def completion_detail(body: CompletionBody, tokenizer: PromptWriter | None) -> TokenDetail | None:
    """Return what a completion wants of each token, None where it wants nothing."""
    ids = _chosen_ids(body, tokenizer, wanted=body.logprobs is not None)
    return None if body.logprobs is None else TokenDetail(body.logprobs, ids)


def field_at_fault(error: CodedError, prompt: str) -> ProtocolError:
    """Return the error of options that a recipe cannot honour, under the names of requests."""
    failure = error_of(error, prompt)
    message = failure.message
    for name, field in FIELDS.items():
        message = message.replace(f"`{name}`", f"`{field}`")
    option = error.option if isinstance(error, Failure) else None
    param = failure.param if option is None else FIELDS.get(option, option)
    return ProtocolError(failure.code, message, param=param, status=failure.status)


def _chosen_ids(
    body: SampledBody, tokenizer: PromptWriter | None, *, wanted: bool
) -> tuple[int, ...]:
    field = "logprob_token_ids"
    if not body.logprob_token_ids:
        return ()
    if not wanted:
        raise refusal(field, f"`{field}` needs `logprobs`")
    if tokenizer is None:
        text = f"`{field}` needs one tokenizer, and this model has none of its own"
        raise refusal(field, text, code="E807")
    return tuple(dict.fromkeys(known_ids(body.logprob_token_ids, field, tokenizer)))


def _has_fixed_length(body: SampledBody, max_tokens: int | None) -> bool:
    """Say whether answers have so many tokens that they have enough of them in any case."""
    return bool(body.ignore_eos and max_tokens and (body.min_tokens or 0) <= max_tokens)


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
