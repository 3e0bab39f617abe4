"""Errors of a server, in the one shape that clients of the OpenAI protocol read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from composer.backends.endpoint.chain import LOOP_STATUS
from composer.diagnostics.errors import CodedError, code_in
from composer.diagnostics.secrets import starred
from composer.run.result import Failure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from composer.values.flow import JSON

__all__ = ["ProtocolError", "error_of", "refusal"]

CONTEXT_CODE = "context_length_exceeded"
"""What clients look for where a prompt is too long; our own code is then in the message."""

CLIENT_ERRORS = 400, 500
"""The statuses of errors of a client: from the first, and below the second."""

TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}
"""The types of errors by their status; others are those of requests or of the server."""

STATUSES = {
    "E504": 400,
    "E702": 504,
    "E703": 400,
    "E707": 503,
    "E708": 400,
    "E709": 402,
    "E711": 400,
    "E721": LOOP_STATUS,
    "E722": 400,
    "E801": 400,
    "E802": 404,
    "E803": 401,
    "E804": 413,
    "E805": 429,
    "E806": 503,
    "E807": 400,
    "E808": 404,
    "E809": 500,
    "E811": 404,
}
"""The HTTP status of each code; all other failures of a run are those of a member."""

MEMBER_STATUS = 502

OF_PROMPTS = frozenset({"E402", "E703", "E711", "E722"})
"""Codes of what is wrong with a prompt, where the options of its request are in order."""

OF_BRANCHES = frozenset({"E701", "E705", "E716"})
"""Codes of failures that come of those of branches: where these agree, theirs counts."""


TOO_FEW = "E716"
"""The code of a step too few of whose branches answered; these are among the failed ones."""


class ProtocolError(Exception):
    """A request that is answered with an error.

    `status` is that of HTTP, None for the usual one of the `code`. `param` names the field that
    is to blame. Secrets in the message become stars. A client is told not to try again where that
    can never help.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        param: str | None = None,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.code = code
        self.message = starred(message)
        self.param = param
        self.status = status or status_of(code)
        lasting = {"X-Should-Retry": "false"} if self.status == LOOP_STATUS else {}
        self.headers = {**lasting, **(headers or {})}
        super().__init__(self.message)

    @property
    def type(self) -> str:
        """The kind of error, as the protocol names it."""
        lowest, beyond = CLIENT_ERRORS
        usual = "invalid_request_error" if lowest <= self.status < beyond else "api_error"
        return TYPES.get(self.status, usual)

    def as_dict(self) -> dict[str, JSON]:
        """Return the body of the reply."""
        error: dict[str, JSON] = {
            "message": self.message,
            "type": self.type,
            "param": self.param,
            "code": self.code,
        }
        return {"error": error}

    @property
    def body(self) -> bytes:
        """The body of the reply as JSON."""
        return json.dumps(self.as_dict(), separators=(",", ":")).encode()

    @property
    def event(self) -> bytes:
        """The event of a stream that has begun already."""
        return b"data: %b\n\n" % self.body


def refusal(param: str, message: str, *, code: str = "E801") -> ProtocolError:
    """Return the error of a field of a request that cannot be read or honoured."""
    return ProtocolError(code, message, param=param)


def status_of(code: str) -> int:
    """Return the HTTP status of a code: wanting what a model cannot do is the client's mistake."""
    return STATUSES.get(code, 400 if code.startswith(("E3", "E4")) else MEMBER_STATUS)


def error_of(error: BaseException, prompt: str | None = None) -> ProtocolError:
    """Return the error of the protocol that any exception is; `prompt` is the field of the prompt.

    What has no code of its own is a mistake of ours: its text is not told to the client.
    """
    if isinstance(error, ProtocolError):
        return error
    if isinstance(error, CodedError):
        return _coded(error, prompt)
    message = f"the server made a mistake ({type(error).__name__}); its log has the place"
    return ProtocolError("E809", message)


def _coded(error: CodedError, prompt: str | None) -> ProtocolError:
    code = _common_code(error) or error.code
    message = f"{error.message} ({error.help})" if error.help else error.message
    if code == "E703":
        message = f"[E703] This model's maximum context length is exceeded: {message}"
        return ProtocolError(CONTEXT_CODE, message, param=prompt, status=STATUSES[code])
    param = prompt if code in OF_PROMPTS else None
    return ProtocolError(error.code, message, param=param, status=status_of(code))


def _common_code(error: CodedError) -> str | None:
    """Return the code with which all branches of a step failed, if it is one.

    A branch whose own branches failed has their code.
    """
    result = error.result if isinstance(error, Failure) else None
    if result is None or error.code not in OF_BRANCHES:
        return None
    codes = {code_in(branch.error) for branch in result.failed}
    own = codes - {TOO_FEW} or codes
    return own.pop() if len(own) == 1 else None
