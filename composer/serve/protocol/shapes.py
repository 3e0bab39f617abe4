"""The shapes of replies, for the description of the API: what a client may rely on.

Replies themselves are written as JSON directly and are not checked against these.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel

__all__ = [
    "ChatCompletion",
    "Completion",
    "Detokenized",
    "ErrorReply",
    "ModelCard",
    "ModelList",
    "Tokenized",
    "TokenizerInfo",
]


class ErrorFacts(BaseModel):
    """What went wrong; `code` is one of docs/errors.md, `param` the field that is to blame."""

    message: str
    type: str
    param: str | None
    code: str


class ErrorReply(BaseModel):
    """The shape of every error."""

    error: ErrorFacts


class TokenCounts(BaseModel):
    """The tokens of all members, added up."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: dict[str, int]


class EnsembleFacts(BaseModel):
    """How an answer came about; several answers are told one by one under `answers`."""

    members: dict[str, dict[str, float]]
    seconds: float
    cost: float | None
    decision: dict[str, float] | None = None
    confidence: float | None = None
    failed: list[dict[str, str]] | None = None
    seed: int | None = None
    trace: str | dict[str, Any] | None = None
    answers: list[dict[str, Any]] | None = None


class Reply(BaseModel):
    """What all replies with answers have."""

    id: str
    created: int
    model: str
    system_fingerprint: str
    usage: TokenCounts
    ensemble: EnsembleFacts


class LikelyTokenFacts(BaseModel):
    """A token that could stand in a place."""

    token: str
    logprob: float
    bytes: list[int]


class TokenFacts(LikelyTokenFacts):
    """A token of an answer."""

    top_logprobs: list[LikelyTokenFacts]


class ChatLogprobs(BaseModel):
    """The tokens of an answer to a chat."""

    content: list[TokenFacts]
    refusal: None = None


class AssistantMessage(BaseModel):
    """The answer to a chat."""

    role: Literal["assistant"]
    content: str
    refusal: None = None


class ChatChoice(BaseModel):
    """One answer to a chat."""

    index: int
    message: AssistantMessage
    logprobs: ChatLogprobs | None
    finish_reason: Literal["stop", "length"]


class ChatCompletion(Reply):
    """The reply to a chat."""

    object: Literal["chat.completion"]
    choices: list[ChatChoice]


class CompletionLogprobs(BaseModel):
    """The tokens of a completion, a list for each fact."""

    text_offset: list[int]
    token_logprobs: list[float | None]
    tokens: list[str]
    top_logprobs: list[dict[str, float] | None]


class CompletionChoice(BaseModel):
    """One completion."""

    index: int
    text: str
    logprobs: CompletionLogprobs | None
    finish_reason: Literal["stop", "length"]


class Completion(Reply):
    """The reply to a request for completions."""

    object: Literal["text_completion"]
    choices: list[CompletionChoice]


class ModelCard(BaseModel):
    """A model that is served."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    max_model_len: int | None
    members: list[str]


class ModelList(BaseModel):
    """All models that are served."""

    object: Literal["list"]
    data: list[ModelCard]


class Tokenized(BaseModel):
    """The tokens of a text."""

    count: int
    max_model_len: int | None
    tokens: list[int]
    token_strs: list[str] | None


class Detokenized(BaseModel):
    """The text of tokens."""

    prompt: str


class TokenizerInfo(BaseModel):
    """The special tokens of a tokenizer, and the chat template of its model."""

    tokenizer_class: str
    bos_token: str | None
    eos_token: str | None
    pad_token: str | None
    unk_token: str | None
    chat_template: str | None
    model_max_length: int | None
