"""What a server says when it answers with an error, and what follows from that."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import TYPE_CHECKING

from composer.backends.endpoint.chain import LOOP_STATUS
from composer.backends.endpoint.faults import AttemptError, EndpointError
from composer.backends.endpoint.transport.retry import retry_after

if TYPE_CHECKING:
    from collections.abc import Mapping

    from composer.values.flow import JSON

__all__ = ["is_too_long", "of_error_object", "of_status"]

LONGEST = 300
"""Characters of a server's words that are repeated."""

NOT_BILLED = frozenset(
    {400, 401, 402, 403, 404, 405, 409, 413, 415, 422, 425, 429, 503, LOOP_STATUS}
)
"""Statuses by which a server says that it has not begun to answer.

Behind 408, 500, 502 and 504 may stand a model that has answered, or goes on answering.
"""

AGAIN = frozenset({408, 409, 425, 429})
"""Statuses below 500 after which another attempt may help."""

QUOTA = re.compile(
    r"insufficient[_ ](?:quota|credits?|balance|funds)|billing|budget[_ ]?(?:has been )?exceeded"
    r"|exceeded your current quota",
    re.IGNORECASE,
)
"""What services say when an account is empty or a budget of a gateway is spent."""

CONTEXT = re.compile(
    r"context[_ ](?:length|window|size)|maximum (?:context|model|input|sequence) length"
    r"|longer than the (?:maximum|model)|too many (?:input )?tokens|max_model_len",
    re.IGNORECASE,
)
"""What servers say when a prompt is longer than the model's context."""


TOO_LONG = frozenset({400, 413, 422})
"""Statuses with which they say it."""

TAGS = re.compile(r"<(style|script)\b.*?</\1>|<[^>]*>", re.DOTALL)


def of_status(status: int, headers: Mapping[str, str], body: bytes) -> AttemptError:
    """Return the failure that a reply with an error's status is."""
    reply: JSON = None
    with suppress(ValueError):
        reply = json.loads(body)
    reason = _reason(reply) or _plain(body.decode(errors="replace"))
    return _refusal(status, reason, headers)


def of_error_object(error: JSON) -> AttemptError:
    """Return the failure that an error inside of a reply with status 200, or of a stream, is."""
    code = error.get("code") if isinstance(error, dict) else None
    status = int(code) if isinstance(code, int | str) and str(code).isdigit() else 500
    failure = _refusal(status, _reason({"error": error}) or "an error", {})
    failure.billed = True  # the server had begun to answer
    return failure


def is_too_long(failure: EndpointError) -> bool:
    """Whether a server says that the prompt is longer than the model's context."""
    return failure.status in TOO_LONG and bool(CONTEXT.search(failure.message))


def _refusal(status: int, reason: str, headers: Mapping[str, str]) -> AttemptError:
    quota = status == 402 or bool(QUOTA.search(reason) and status in {400, 403, 429})  # noqa: PLR2004
    again = status in AGAIN or (status >= 500 and status != LOOP_STATUS)  # noqa: PLR2004
    wish = headers.get("x-should-retry")
    return AttemptError(
        f"{status}: {reason}" if reason else f"{status}",
        status=status,
        transient=quota or (again if wish not in {"true", "false"} else wish == "true"),
        billed=status not in NOT_BILLED,
        wait=retry_after(headers),
        quota=quota,
    )


def _reason(reply: JSON) -> str:
    """Return what a server says in one of the usual forms of an error, empty if in none."""
    error = reply.get("error", reply) if isinstance(reply, dict) else None
    if isinstance(error, str):
        return _plain(error)
    if not isinstance(error, dict):
        return ""
    message = error.get("message") or error.get("detail") or ""
    text = message if isinstance(message, str) else json.dumps(message)
    code = error.get("code") or error.get("type")
    named = isinstance(code, str) and code not in text and not code.isdigit()
    return _plain(f"{text} ({code})" if named and text else text or str(code or ""))


def _plain(text: str) -> str:
    """Return a text in one line, without the tags of a page, and not too long."""
    words = " ".join(TAGS.sub(" ", text).split())
    return words if len(words) <= LONGEST else f"{words[:LONGEST]}..."
