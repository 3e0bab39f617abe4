"""What is served: `/v1/models`, and how a model reads texts, as harnesses ask for it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from fastapi import Response

from composer.serve.errors import ProtocolError, refusal
from composer.serve.protocol.bodies import DetokenizeBody, TokenizeBody
from composer.serve.protocol.messages import conversation
from composer.serve.protocol.prompts import WITHOUT_TOKENIZER, known_ids, require_whole
from composer.serve.protocol.route import ERRORS
from composer.serve.protocol.shapes import (
    Detokenized,
    ModelCard,
    ModelList,
    Tokenized,
    TokenizerInfo,
)
from composer.values import Query
from composer.values.media import refuse_media

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastapi import APIRouter
    from pydantic import BaseModel

    from composer.backends.endpoint.asking.prompting import PromptWriter
    from composer.serve.served import Registry, ServedModel

__all__ = ["add_models", "add_tokenizers"]

OWNER = "ensemble-composer"


def add_models(router: APIRouter, registry: Registry) -> None:
    """Add the routes that list what is served."""

    @router.get("/v1/models", responses=_replies(ModelList), summary="List the models.")
    async def models() -> Response:
        cards = [_card(each) for each in registry.models.values()]
        return _json({"object": "list", "data": cards})

    @router.get("/v1/models/{name:path}", responses=_replies(ModelCard), summary="Name a model.")
    async def model(name: str) -> Response:
        return _json(_card(registry.get(name)))


def add_tokenizers(router: APIRouter, registry: Registry) -> None:
    """Add the routes that tell how a model reads texts; long ones keep no other request waiting."""

    @router.post("/tokenize", responses=_replies(Tokenized), summary="Cut a text into tokens.")
    def tokenize(body: TokenizeBody) -> Response:
        served, tokenizer = _tokenizer(registry, body.model)
        ids = _ids(body, tokenizer, served)
        texts = _texts(ids, tokenizer) if body.return_token_strs else None
        facts = {"count": len(ids), "max_model_len": served.context}
        return _json({**facts, "tokens": ids, "token_strs": texts})

    @router.post("/detokenize", responses=_replies(Detokenized), summary="Join tokens to a text.")
    def detokenize(body: DetokenizeBody) -> Response:
        _, tokenizer = _tokenizer(registry, body.model)
        names, vocabulary = tokenizer.special_names, tokenizer.vocabulary
        ids = known_ids(body.tokens, "tokens", tokenizer)
        spelt = b"".join(names.get(each, "").encode() or vocabulary.piece(each) for each in ids)
        return _json({"prompt": spelt.removeprefix(vocabulary.dummy).decode(errors="replace")})

    @router.get(
        "/tokenizer_info", responses=_replies(TokenizerInfo), summary="Describe a tokenizer."
    )
    async def tokenizer_info(model: str | None = None) -> Response:
        served, tokenizer = _tokenizer(registry, model)
        return _json(_info(served, tokenizer))


def _card(served: ServedModel) -> dict[str, object]:
    return {
        "id": served.id,
        "object": "model",
        "created": served.created,
        "owned_by": OWNER,
        "max_model_len": served.context,
        "members": sorted({each.name for each in served.recipe.plan().models}),
    }


def _tokenizer(registry: Registry, name: str | None) -> tuple[ServedModel, PromptWriter]:
    """Return a model with its tokenizer; without a name, that which all models have."""
    if name is not None:
        served = registry.get(name)
        if served.tokenizer is None:
            text = f"`{name}` has no tokenizer of its own: {WITHOUT_TOKENIZER}"
            raise refusal("model", text, code="E807")
        return served, served.tokenizer
    pairs = [(each, each.tokenizer) for each in registry.models.values()]
    known = {each.vocabulary.fingerprint for _, each in pairs if each is not None}
    if len(known) != 1:
        text = "say which `model` is meant: those that are served have different tokenizers"
        raise refusal("model", text)
    return next((served, each) for served, each in pairs if each is not None)


def _ids(body: TokenizeBody, tokenizer: PromptWriter, served: ServedModel) -> list[int]:
    """Return the tokens of a text, or of a conversation as the model reads it."""
    if (body.prompt is None) == (body.messages is None):
        raise ProtocolError("E801", "give either a `prompt` or `messages`", param="prompt")
    if body.messages is None:
        text, special = body.prompt or "", body.add_special_tokens is not False
        require_whole(text, "prompt")
        served.demand_short(Query.of(text))
        return tokenizer.vocabulary.encode(text, special=special)
    query, prefix = conversation(body)
    served.demand_short(query, prefix)
    refuse_media(tokenizer.name, query.id, query.text, query.media)
    return tokenizer.prompt(query, prefix)


def _texts(ids: Sequence[int], tokenizer: PromptWriter) -> list[str]:
    names, vocabulary = tokenizer.special_names, tokenizer.vocabulary
    return [names.get(each) or vocabulary.piece(each).decode(errors="replace") for each in ids]


def _info(served: ServedModel, tokenizer: PromptWriter) -> dict[str, object]:
    names = ("bos_token", "eos_token", "pad_token", "unk_token")
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        **{name: served.special_tokens.get(name) for name in names},
        "chat_template": tokenizer.template_text,
        "model_max_length": served.context,
    }


def _replies(shape: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    return {200: {"model": shape}, **ERRORS}


def _json(content: dict[str, object]) -> Response:
    return Response(json.dumps(content), media_type="application/json")
