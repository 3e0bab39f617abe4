"""A student's own tokens of a corpus."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.values.errors import ModelError

if TYPE_CHECKING:
    from composer.engine.sessions.likely_tokens import Document
    from composer.engine.weights.local import LocalModel
    from composer.specs import Chat

__all__ = ["Example", "end_of", "make_example"]


@dataclass(frozen=True, slots=True)
class Example:
    """A document in a student's tokens: what it reads first, and what it should write then.

    `pieces` are the bytes of all tokens of the text, the first `before` of which are part of the
    prompt, since nothing stands before them.
    """

    prompt: tuple[int, ...]
    targets: tuple[int, ...]
    pieces: tuple[bytes, ...]
    before: int


def make_example(model: LocalModel, chat: Chat, document: Document) -> Example:
    """Return a document in a student's tokens; raises ModelError (E703) where it is too long."""
    if document.query is None:
        ids, prompt = model.vocabulary.begin(document.text), list(model.opening)
        before = 0 if prompt else 1
        prompt += ids[:before]
        targets = ids[before:]
    else:
        prompt, before = model.render(document.query.messages, chat), 0
        targets = ids = list(model.vocabulary.extend(document.text.encode()))
    pieces = tuple(map(model.vocabulary.piece, ids))
    if document.end:
        targets = [*targets, end_of(model)]
    if model.context is not None and len(prompt) + len(targets) > model.context:
        text = f"a text of the corpus is longer than the context of {model.name}"
        help_ = f"shorten it: {document.text[:60]!r}... has {len(targets)} tokens"
        raise ModelError("E703", text, help_)
    return Example(tuple(prompt), tuple(targets), pieces, before)


def end_of(model: LocalModel) -> int:
    """Return the token that a model ends an answer with; raises ModelError (E505) without one."""
    own = model.tokenizer.eos_token_id
    if own in model.ends:
        return int(own)
    if not model.ends:
        text = f"{model.name} has no token that ends an answer, so it cannot learn answers"
        raise ModelError("E505", text, "train it on running text: a `.txt` file, or rows of `text`")
    return min(model.ends)
