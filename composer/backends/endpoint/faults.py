"""What goes wrong between us and a server, in one type of exception."""

from __future__ import annotations

from composer.values.errors import ModelError

__all__ = ["EndpointError"]


class EndpointError(ModelError):
    """What a server did instead of answering.

    `transient` says that the same request may succeed later or elsewhere, so that it may be sent
    again. `billed` says whether the server may have charged for the attempt: True also where that
    cannot be known. `status` is that of HTTP, None where there was none, and `wait` the seconds
    after which the server wants to be asked again.
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
    ) -> None:
        super().__init__(code, message, help)
        self.transient, self.billed = transient, billed
        self.status, self.wait = status, wait
