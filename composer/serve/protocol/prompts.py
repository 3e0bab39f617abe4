"""Prompts of completions: texts, or token ids, which models read without their chat template."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeGuard

from composer.diagnostics.printable import is_whole
from composer.serve.errors import refusal
from composer.serve.protocol.bodies import MOST_PROMPTS
from composer.values import Query

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.backends.endpoint.asking.prompting import PromptWriter

__all__ = ["WITHOUT_TOKENIZER", "known_ids", "raw_queries", "require_whole"]

FORMS = "a text, a list of texts, token ids, or a list of lists of token ids"

WITHOUT_TOKENIZER = (
    "several models with different tokenizers may write its answer, or one whose files are not here"
)
"""Why a served model may have no tokenizer."""


def raw_queries(prompt: object, tokenizer: PromptWriter | None) -> list[Query]:
    """Return a query for each prompt of a request; raises ProtocolError."""
    several = _several(prompt)
    if not several or len(several) > MOST_PROMPTS:
        raise refusal("prompt", f"`prompt` must hold 1 to {MOST_PROMPTS:,} prompts")
    alone = len(several) == 1 and several[0] is prompt
    places = ["prompt" if alone else f"prompt[{at}]" for at in range(len(several))]
    return [_raw_query(each, place, tokenizer) for each, place in zip(several, places, strict=True)]


def _raw_query(prompt: object, place: str, tokenizer: PromptWriter | None) -> Query:
    """Return the query of one prompt, which stands at a place of the request."""
    if not prompt:
        raise refusal(place, f"`{place}` is empty: there is nothing to go on from")
    if isinstance(prompt, str):
        require_whole(prompt, place)
        return Query((("user", prompt),), raw=True)
    if not _is_ids(prompt):
        raise refusal(place, f"`{place}` must be {FORMS}")
    if tokenizer is None:
        text = (
            f"`{place}` has token ids, and this model has no tokenizer of its own: "
            f"{WITHOUT_TOKENIZER}"
        )
        raise refusal(place, f"{text}; send a text", code="E807")
    return tokenizer.raw_query(known_ids(prompt, place, tokenizer))


def known_ids(ids: Sequence[int], place: str, tokenizer: PromptWriter) -> Sequence[int]:
    """Return token ids; raises ProtocolError for one that is no token."""
    count = len(tokenizer.vocabulary)
    unknown = next((each for each in ids if not 0 <= each < count), None)
    if unknown is not None:
        text = f"`{place}` has the id {unknown}, and the {count:,} tokens have ids from 0 on"
        raise refusal(place, text)
    return ids


def _several(prompt: object) -> Sequence[object]:
    """Return the prompts of a request: a list of numbers is one of them."""
    if not isinstance(prompt, list) or _is_ids(prompt):
        return [prompt]
    return prompt


def _is_ids(prompt: object) -> TypeGuard[list[int]]:
    return isinstance(prompt, list) and bool(prompt) and all(type(each) is int for each in prompt)


def require_whole(text: str, place: str) -> None:
    """Raise ProtocolError where a text has half of a character, which no tokenizer reads."""
    if not is_whole(text):
        message = f"`{place}` must be text in whole characters: this has half of one"
        raise refusal(place, message)
