"""Replies in the two forms of the protocol, whole and in chunks, written as JSON directly.

A stream writes thousands of chunks a second, so what is the same in all of them is written once.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, ClassVar
from uuid import uuid4

from composer.diagnostics.caches import PACKAGE_VERSION
from composer.serve.protocol.accounts import extension_json, usage_json
from composer.serve.protocol.token_names import Offsets

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from composer.serve.protocol.accounts import Answer
    from composer.serve.protocol.echoes import Echo
    from composer.serve.protocol.orders import Order
    from composer.serve.protocol.token_names import TokenNames
    from composer.values.details import LikelyToken, TokenChoice

__all__ = ["ChatForm", "CompletionForm", "Form", "whole_reply"]

FINGERPRINT = f"compose-{PACKAGE_VERSION}"
"""What replies name as the system that answered."""

DONE = b"data: [DONE]\n\n"
"""The last event of a stream."""


class Form:
    """Writes the replies to one request. `names` writes tokens, None where nobody wants them."""

    whole_kind: ClassVar[str]
    chunk_kind: ClassVar[str]
    id_start: ClassVar[str]

    def __init__(self, model: str, names: TokenNames | None) -> None:
        self.names = names
        self._facts = (
            f'"id":"{self.id_start}-{uuid4().hex}","created":{int(time.time())},'
            f'"model":{json.dumps(model)},"system_fingerprint":"{FINGERPRINT}"'
        )
        self._chunk = f'data: {{{self._facts},"object":"{self.chunk_kind}","choices":['

    def whole(self, answers: Sequence[Answer], tail: str) -> bytes:
        """Return the whole reply; `tail` has its usage and the extension field."""
        choices = ",".join(self._whole(at, each) for at, each in enumerate(answers))
        kind = f'"object":"{self.whole_kind}"'
        return f'{{{self._facts},{kind},"choices":[{choices}],{tail}}}'.encode()

    def first(self, index: int) -> str:
        """Return the chunk before the first text of an answer, if there is one."""
        raise NotImplementedError

    def delta(
        self, index: int, text: str, tokens: Sequence[TokenChoice], finish: str | None, tail: str
    ) -> str:
        """Return a chunk with new text and tokens of an answer."""
        raise NotImplementedError

    def last(self, tail: str) -> str:
        """Return a chunk without text, for what belongs to all answers."""
        return f"{self._chunk}],{tail}}}\n\n"

    def _whole(self, index: int, answer: Answer) -> str:
        raise NotImplementedError


class ChatForm(Form):
    """Replies of /v1/chat/completions."""

    whole_kind, chunk_kind, id_start = "chat.completion", "chat.completion.chunk", "chatcmpl"

    def first(self, index: int) -> str:
        """Return the chunk that names the role."""
        return (
            f'{self._chunk}{{"index":{index},"delta":{{"role":"assistant","content":""}},'
            '"logprobs":null,"finish_reason":null}]}\n\n'
        )

    def delta(
        self, index: int, text: str, tokens: Sequence[TokenChoice], finish: str | None, tail: str
    ) -> str:
        """Return a chunk with new text and tokens of an answer."""
        content = f'"content":{json.dumps(text)}' if text or finish is None else ""
        return (
            f'{self._chunk}{{"index":{index},"delta":{{{content}}},'
            f'"logprobs":{self._logprobs(tokens) if tokens else "null"},'
            f'"finish_reason":{_quoted(finish)}}}]{tail}}}\n\n'
        )

    def _whole(self, index: int, answer: Answer) -> str:
        logprobs = "null" if self.names is None else self._logprobs(answer.body.choices)
        return (
            f'{{"index":{index},"message":{{"role":"assistant","content":{json.dumps(answer.text)},'
            f'"refusal":null}},"logprobs":{logprobs},"finish_reason":"{answer.finish}"}}'
        )

    def _logprobs(self, tokens: Sequence[TokenChoice]) -> str:
        assert self.names is not None
        return f'{{"content":[{self.names.chat(tokens)}],"refusal":null}}'


class CompletionForm(Form):
    """Replies of /v1/completions; `echoes` are the prompts that are repeated, by answer."""

    whole_kind, chunk_kind, id_start = "text_completion", "text_completion", "cmpl"

    def __init__(
        self, model: str, names: TokenNames | None, echoes: Mapping[int, Echo] | None = None
    ) -> None:
        super().__init__(model, names)
        self._echoes = echoes or {}
        self._offsets: dict[int, Offsets] = {}

    def first(self, index: int) -> str:
        """Return the chunk that repeats the prompt, if that is wanted."""
        echo = self._echoes.get(index)
        if echo is None:
            return ""
        logprobs = "null" if self.names is None else self._logprobs(index, echo.tokens)
        return (
            f'{self._chunk}{{"index":{index},"text":{json.dumps(echo.text)},'
            f'"logprobs":{logprobs},"finish_reason":null}}]}}\n\n'
        )

    def delta(
        self, index: int, text: str, tokens: Sequence[TokenChoice], finish: str | None, tail: str
    ) -> str:
        """Return a chunk with new text and tokens of an answer."""
        return (
            f'{self._chunk}{{"index":{index},"text":{json.dumps(text)},'
            f'"logprobs":{self._logprobs(index, tokens) if tokens else "null"},'
            f'"finish_reason":{_quoted(finish)}}}]{tail}}}\n\n'
        )

    def _whole(self, index: int, answer: Answer) -> str:
        echo, tokens = self._echoes.get(index), answer.body.choices
        text = answer.text if echo is None else echo.text + answer.text
        listed = tokens if echo is None else (*echo.tokens, *tokens)
        logprobs = "null" if self.names is None else self._logprobs(index, listed)
        return (
            f'{{"index":{index},"text":{json.dumps(text)},"logprobs":{logprobs},'
            f'"finish_reason":"{answer.finish}"}}'
        )

    def _logprobs(self, index: int, tokens: Sequence[TokenChoice | LikelyToken]) -> str:
        assert self.names is not None
        offsets = self._offsets.setdefault(index, Offsets())
        return self.names.completion(tokens, offsets)


def whole_reply(order: Order, form: Form, answers: Sequence[Answer]) -> bytes:
    """Return the whole reply to a request with some answers."""
    usage = usage_json(each.result for each in answers)
    extension = extension_json(answers, whole_trace=order.trace)
    return form.whole(answers, f'"usage":{usage},"ensemble":{extension}')


def _quoted(finish: str | None) -> str:
    return "null" if finish is None else f'"{finish}"'
