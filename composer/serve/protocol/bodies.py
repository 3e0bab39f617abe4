"""The bodies of requests: what may stand in each field. Each is checked once, when it is read."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from composer.serve.protocol.fields import OTHER_FIELDS, WITHOUT_EFFECT

__all__ = [
    "Body",
    "ChatBody",
    "CompletionBody",
    "DetokenizeBody",
    "SampledBody",
    "StreamOptions",
    "TokenizeBody",
]

MOST_STOPS, LONGEST_STOP = 64, 1_000
"""How many stop strings a request may have, and their characters."""

MOST_TOP = 1_024
"""How many tokens of each place may be asked for: the likeliest ones, or chosen ones."""

MOST_ANSWERS = 128
"""How many answers to a prompt a request may ask for."""

MOST_PROMPTS = 1_024
"""How many prompts a request may hold."""

MOST_MESSAGES = 10_000

LARGEST = (1 << 31) - 1


def _listed(value: object) -> object:
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list):
        raise PydanticCustomError("wrong_form", "a text or a list of texts")
    return value


StopString = Annotated[str, Field(min_length=1, max_length=LONGEST_STOP)]
_STOP: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": LONGEST_STOP}
Stop = Annotated[
    list[StopString],
    Field(max_length=MOST_STOPS),
    BeforeValidator(_listed),
    WithJsonSchema({"anyOf": [_STOP, {"type": "array", "items": _STOP, "maxItems": MOST_STOPS}]}),
]
"""One text or several, before the first of which an answer ends."""

Seed = Annotated[
    int,
    Field(ge=-(1 << 63), lt=1 << 63),
    WithJsonSchema({"type": "integer", "format": "int64"}),
]
TokenId = Annotated[int, Field(ge=0, le=LARGEST)]
Bias = dict[
    Annotated[str, Field(pattern=r"^(0|[1-9][0-9]{0,8})$")],
    Annotated[float, Field(ge=-100, le=100)],
]

_PARTS: dict[str, Any] = {
    "type": "array",
    "minItems": 1,
    "items": {
        "type": "object",
        "required": ["type"],
        "properties": {"type": {"type": "string"}, "text": {"type": "string"}},
    },
}
_MESSAGE: dict[str, Any] = {
    "type": "object",
    "required": ["role", "content"],
    "properties": {
        "role": {"enum": ["system", "developer", "user", "assistant"]},
        "content": {"anyOf": [{"type": "string"}, _PARTS]},
    },
}
Messages = Annotated[
    list[dict[str, Any]],
    Field(min_length=1, max_length=MOST_MESSAGES),
    WithJsonSchema({"type": "array", "minItems": 1, "maxItems": MOST_MESSAGES, "items": _MESSAGE}),
]
"""A conversation; `messages.py` reads what is in it."""

_IDS: dict[str, Any] = {
    "type": "array",
    "minItems": 1,
    "items": {"type": "integer", "minimum": 0, "maximum": LARGEST},
}
_TEXT: dict[str, Any] = {"type": "string", "minLength": 1}
Prompt = Annotated[
    Any,
    WithJsonSchema(
        {
            "anyOf": [
                _TEXT,
                {"type": "array", "minItems": 1, "maxItems": MOST_PROMPTS, "items": _TEXT},
                _IDS,
                {"type": "array", "minItems": 1, "maxItems": MOST_PROMPTS, "items": _IDS},
            ]
        }
    ),
]
"""A text, several, the token ids of one, or of several; `prompts.py` reads it."""


class Body(BaseModel):
    """A body with no other fields than its own; numbers are finite, and no text is a number."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class StreamOptions(Body):
    """What the chunks of a stream bring beside text."""

    include_usage: bool | None = None
    continuous_usage_stats: bool | None = None
    include_obfuscation: Literal[False] | None = None


class SchemaFormat(BaseModel):
    """A JSON schema with a name."""

    model_config = ConfigDict(extra="ignore", strict=True)

    name: str = "answer"
    schema_: dict[str, Any] | bool = Field(alias="schema")


class ResponseFormat(Body):
    """The form of an answer: a text, any JSON object, or JSON that follows a schema."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: SchemaFormat | None = None


def _described(schema: dict[str, Any]) -> None:
    """Add the fields that are read without an effect, and those that are refused otherwise."""
    fields = schema["properties"]
    for name in sorted(WITHOUT_EFFECT):
        fields.setdefault(name, {"description": "Has no effect on the answer."})
    for name, field in OTHER_FIELDS.items():
        fields.setdefault(name, field.schema)


class SampledBody(Body):
    """What requests for a chat and for a completion have in common.

    An option that is left out, or null, has the value that the recipe says.
    """

    model_config = ConfigDict(json_schema_extra=_described)

    model: str
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=-1, le=LARGEST)] | None = None
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    stop: Stop | None = None
    seed: Seed | None = None
    n: Annotated[int, Field(ge=1, le=MOST_ANSWERS)] | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    repetition_penalty: Annotated[float, Field(ge=0.01, le=100)] | None = None
    logit_bias: Annotated[Bias, Field(max_length=MOST_TOP)] | None = None
    min_tokens: Annotated[int, Field(ge=0, le=LARGEST)] | None = None
    ignore_eos: bool | None = None
    logprob_token_ids: Annotated[list[TokenId], Field(max_length=MOST_TOP)] | None = None
    return_tokens_as_token_ids: bool | None = None
    response_format: ResponseFormat | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    trace: bool | None = None

    @model_validator(mode="before")
    @classmethod
    def _without_others(cls, body: object) -> object:
        """Leave out the fields without an effect; refuse those that ask for what is not here."""
        if not isinstance(body, dict) or body.keys() <= cls.model_fields.keys():
            return body
        own = cls.model_fields.keys()
        for name in body.keys() & OTHER_FIELDS.keys() - own:
            other = OTHER_FIELDS[name]
            if not other.allows(body[name]) and not _is_number_of_answers(name, body):
                text = "`{param}` is not honoured: {reason}"
                raise PydanticCustomError(
                    "not_honoured", text, {"param": name, "reason": other.reason}
                )
        left_out = (WITHOUT_EFFECT | OTHER_FIELDS.keys()) - own
        return {name: value for name, value in body.items() if name not in left_out}


def _is_number_of_answers(name: str, body: dict[str, object]) -> bool:
    """Say whether a field draws no more answers than are given."""
    return name == "best_of" and body[name] == (body.get("n") or 1)


class ChatBody(SampledBody):
    """A request for the next message of a conversation."""

    messages: Messages
    max_tokens: Annotated[int, Field(ge=1, le=LARGEST)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1, le=LARGEST)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=MOST_TOP)] | None = None
    add_generation_prompt: bool | None = None
    continue_final_message: bool | None = None


class CompletionBody(SampledBody):
    """A request for what follows a text, which models read without their chat template."""

    prompt: Prompt
    max_tokens: Annotated[int, Field(ge=0, le=LARGEST)] | None = None
    logprobs: Annotated[int, Field(ge=0, le=MOST_TOP)] | None = None
    echo: bool | None = None
    add_special_tokens: Literal[True] | None = None


class TokenizeBody(Body):
    """A text, or a conversation, whose tokens are wanted."""

    model: str | None = None
    prompt: str | None = None
    messages: Messages | None = None
    add_special_tokens: bool | None = None
    add_generation_prompt: bool | None = None
    continue_final_message: bool | None = None
    return_token_strs: bool | None = None


class DetokenizeBody(Body):
    """Token ids whose text is wanted."""

    model: str | None = None
    tokens: Annotated[list[TokenId], Field(max_length=1_000_000)]
