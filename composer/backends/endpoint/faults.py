"""What goes wrong between us and a server, in one family of exceptions."""

from __future__ import annotations

from importlib.util import find_spec

from composer.values.errors import ModelError

__all__ = ["AttemptError", "BadReplyError", "EndpointError", "missing_package"]

BAD_REPLY = "E723"
"""The code of a reply that is no answer."""


class EndpointError(ModelError):
    """What a server did instead of answering.

    `transient` says that the same request may succeed later or elsewhere, so that it may be sent
    again. `billed` says whether the server may have charged for the attempt: True also where that
    cannot be known. `status` is that of HTTP, None where there was none, and `wait` the seconds
    after which the server wants to be asked again. `quota` says that an account is empty, `late`
    that the deadline has passed.
    """

    def __init__(  # noqa: PLR0913 - all of it is known where it is raised
        self,
        code: str,
        message: str,
        help: str = "",  # noqa: A002
        *,
        transient: bool = False,
        billed: bool = False,
        status: int | None = None,
        wait: float | None = None,
        quota: bool = False,
        late: bool = False,
    ) -> None:
        super().__init__(code, message, help)
        self.transient, self.billed = transient, billed
        self.status, self.wait = status, wait
        self.quota, self.late = quota, late


class AttemptError(EndpointError):
    """One attempt at a request failed: the message is the bare reason, without the model's name.

    Unless something else is said, another attempt may help, and this one may be billed.
    """

    def __init__(  # noqa: PLR0913 - all of it is known where it is raised
        self,
        reason: str,
        *,
        transient: bool = True,
        billed: bool = True,
        status: int | None = None,
        wait: float | None = None,
        quota: bool = False,
        late: bool = False,
    ) -> None:
        super().__init__(
            "E702" if late else "E701",
            reason,
            transient=transient,
            billed=billed,
            status=status,
            wait=wait,
            quota=quota,
            late=late,
        )


class BadReplyError(AttemptError):
    """A server's reply is not what was asked for: it lacks something, or cannot be read."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.code = BAD_REPLY


def missing_package() -> ModelError | None:
    """Return the error of a machine without the package that requests are made with."""
    if find_spec("openai") is not None:
        return None
    return ModelError(
        "E510",
        "`endpoint` needs the package openai, which is not installed",
        "`pip install 'ensemble-composer[endpoint]'`",
    )
