"""How a request ends that got no answer: what a user reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.backends.endpoint.chain import LOOP_STATUS
from composer.backends.endpoint.faults import EndpointError
from composer.backends.endpoint.transport.refusals import is_too_long
from composer.diagnostics.amounts import counted, number_text

if TYPE_CHECKING:
    from collections.abc import Sequence


__all__ = [
    "broken_off",
    "given_up",
    "late",
    "no_model",
    "other_tokenizer",
    "refused",
    "too_late",
]

SHOWN = 10
"""Models of a server that a message lists."""

FILTERS = ("content_filter", "content management policy", "content_policy_violation")
"""What services say that refuse a question by its content."""

UNAUTHORIZED = frozenset({401, 403})


def refused(name: str, url: str, variable: str | None, failure: EndpointError) -> EndpointError:
    """Return the error of a request that no other attempt can help."""
    if failure.quota:
        return EndpointError(
            "E701",
            f"`{name}`: the account at {url} has nothing left to spend: {failure.message}",
            "fill it up, name another address in `url`, or add a fallback: `A | B`",
        )
    if failure.status == LOOP_STATUS:
        return EndpointError(
            "E721",
            f"`{name}`: {url} refused the request: {failure.message}",
            f"give `{name}` the address of another server",
        )
    if is_too_long(failure):
        return EndpointError(
            "E703",
            f"`{name}`: the text is too long for the model at {url}: {failure.message}",
            "write a shorter prompt, or ask for fewer tokens: `max_tokens`",
        )
    if failure.status in UNAUTHORIZED and variable is None:
        return EndpointError(
            "E701",
            f"`{name}`: {url} wants a key: {failure.message}",
            'name the variable that holds it: `key = env("NAME")`',
        )
    if failure.status in UNAUTHORIZED:
        return EndpointError(
            "E701",
            f"`{name}`: {url} does not accept the key in `{variable}`: {failure.message}",
            f"set `{variable}` to a key of this server that may use this model",
        )
    return _refused(name, url, failure)


def _refused(name: str, url: str, failure: EndpointError) -> EndpointError:
    """Return the error of a request whose words or options the server does not want."""
    who, help_ = f"{url} refused the request", "`compose doctor` shows what the server gives"
    if any(words in failure.message.lower() for words in FILTERS):
        who = f"the content filter of {url} refused the question"
        help_ = "ask in other words, or add a fallback: `A | B`"
    elif "temperature" in failure.message:
        help_ = f"write `{name}(temperature = 1)` if the model takes no other"
    return EndpointError("E701", f"`{name}`: {who}: {failure.message}", help_)


def no_model(
    name: str, url: str, model: str, failure: EndpointError, models: Sequence[str] | None
) -> EndpointError:
    """Return the error of a model, or of an address, that a server does not have.

    `models` are those that it lists, None if it lists none.
    """
    if models is None:
        return EndpointError(
            "E701",
            f"`{name}`: there is no model server at {url}: {failure.message}",
            "check the `url`: most servers answer below `/v1`",
        )
    listed = ", ".join(f"`{each}`" for each in models[:SHOWN]) or "none"
    more = f" and {len(models) - SHOWN} more" if len(models) > SHOWN else ""
    if model in models:
        return EndpointError(
            "E701",
            f"`{name}`: {url} lists the model `{model}`, but does not answer this kind of "
            f"request: {failure.message}",
            "`compose doctor` shows what the server gives",
        )
    return EndpointError(
        "E701",
        f"`{name}`: {url} has no model `{model}`: {failure.message}; it lists {listed}{more}",
        "write one of these names",
    )


def other_tokenizer(name: str, url: str, tokenizer: str | None) -> EndpointError:
    """Return the error of a tokenizer that cuts texts otherwise than the server does."""
    return EndpointError(
        "E302",
        f"`{name}`: the server at {url} cuts a text into other tokens than `{tokenizer}` does",
        "name the tokenizer of the served model: `tokenizer = ...`",
    )


def given_up(name: str, url: str, attempts: int, failure: EndpointError) -> EndpointError:
    """Return the error of a request whose last attempt has failed."""
    tried = "the only attempt" if attempts == 1 else f"the last of {attempts} attempts"
    return EndpointError(
        failure.code,
        f"`{name}` gave no answer; {tried}, at {url}, failed: {failure.message}",
        "look at the server, raise `retries`, name a second address in `url`, or add a fallback: "
        "`A | B`",
    )


def late(name: str, deadline: float, failures: Sequence[str]) -> EndpointError:
    """Return the error of a request that the deadline has ended."""
    why = f"; {_last(failures)}" if failures else ""
    return EndpointError(
        "E702",
        f"`{name}` gave no answer within its deadline of {_seconds(deadline)}{why}",
        "raise its `deadline`, ask for fewer tokens, or add a fallback: `A | B`",
    )


def too_late(name: str, deadline: float, wait: float, failures: Sequence[str]) -> EndpointError:
    """Return the error of a request for which no time is left after the next wait."""
    return EndpointError(
        "E702",
        f"`{name}` gave no answer, and its deadline of {_seconds(deadline)} leaves no time for "
        f"another attempt, which has to wait {_seconds(wait)}; {_last(failures)}",
        "raise its `deadline`, name a second address in `url`, or add a fallback: `A | B`",
    )


def _last(failures: Sequence[str]) -> str:
    return f"the last of {counted(len(failures), 'failed attempt')}: {failures[-1]}"


def _seconds(number: float) -> str:
    return f"{number_text(number, 3)} {'second' if number == 1 else 'seconds'}"


def broken_off(name: str, url: str, reason: str) -> EndpointError:
    """Return the error of a stream that broke when a part of it had been shown."""
    return EndpointError(
        "E701",
        f"`{name}`: the answer broke off after its beginning was shown ({reason}), and at the next "
        f"attempt {url} began it otherwise",
        "ask again, or ask without streaming: then only whole answers are shown",
        billed=True,
    )
