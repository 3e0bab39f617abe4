"""An answer of a server as a Completion: its text up to a stop string, its tokens, why it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.backends.endpoint.asking.answer_tokens import tokens_of
from composer.backends.endpoint.faults import BAD_REPLY, EndpointError
from composer.engine.generation import TextStream, confidence
from composer.values.results import Completion, Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from composer.backends.endpoint.asking.replies import Choice
    from composer.backends.endpoint.asking.token_details import TokenDetails
    from composer.values.card import Price
    from composer.values.requests import Generate, Sampling
    from composer.values.results import Finish

__all__ = ["completion_of", "shares", "text_stream"]

FINISHES: Mapping[str, Finish] = {
    "stop": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "max_tokens": "length",
}
"""Why an answer ended, in the words of servers and in ours."""


def completion_of(
    choice: Choice, request: Generate, usage: Usage, details: TokenDetails
) -> Completion:
    """Make the completion of an answer; raises EndpointError for one that is none.

    Thoughts that a server keeps apart are among the facts, as is a refusal, whose text is the
    answer. The details of its tokens are there where they are wanted, and the server told all
    tokens of the text.
    """
    sampling, name = request.sampling, request.model.name
    whole = choice.text or choice.refusal
    stream = text_stream(sampling)
    stream.add(whole.encode(errors="replace"))
    text = stream.close()
    finish = "stop" if stream.stopped else _finish(choice, name)
    tokens = tokens_of(choice, text, sampling.stop)
    logprobs = tuple(each.logprob for _, each in tokens if each.logprob is not None)
    if len(logprobs) < len(tokens):
        tokens, logprobs = [], ()
    facts = {"thinking": choice.thoughts, "refusal": choice.refusal}
    return Completion(
        text,
        tuple(name for name, _ in tokens),
        logprobs,
        confidence(logprobs),
        finish,
        {name: usage},
        facts={fact: value for fact, value in facts.items() if value},
        choices=() if request.detail is None else details.choices(tokens, request.detail),
    )


def text_stream(sampling: Sampling, emit: Callable[[str], None] | None = None) -> TextStream:
    """Return what cuts a text at the stop strings of a request, and emits what is certain."""
    return TextStream(sampling.stop, emit, keep_stop=sampling.keep_stop)


def shares(usage: Usage, count: int, price: Price) -> list[Usage]:
    """Part the usage of one request among its answers; the first has the prompt, read once.

    Each answer counts as a call, as if it were asked for alone.
    """
    each, rest = divmod(usage.completion_tokens, count)
    if usage.unpriced and not usage.prompt_tokens:
        return [usage, *[Usage(calls=1, unpriced=1)] * (count - 1)]
    first = Usage.at(price, usage.calls, usage.prompt_tokens, each + rest)
    return [first, *[Usage.at(price, 1, 0, each)] * (count - 1)]


def _finish(choice: Choice, name: str) -> Finish:
    """Say why an answer ended; raises EndpointError for a reason by which it is no answer."""
    reason = choice.finish or ""
    if reason in FINISHES:
        return FINISHES[reason]
    why = {
        "content_filter": "was cut by the server's content filter",
        "tool_calls": "is the call of a tool, and no text",
        "function_call": "is the call of a tool, and no text",
    }.get(reason, f"ended for a reason that is not known: `{reason[:40]}`")
    help_ = "ask in other words, or add a fallback: `A | B`"
    raise EndpointError(BAD_REPLY, f"the answer of `{name}` {why}", help_, billed=True)
