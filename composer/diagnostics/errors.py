"""The one form of an exception that a person reads: a code, what is wrong, and what to do."""

from __future__ import annotations

from composer.diagnostics.diagnostics import Diagnostic
from composer.diagnostics.secrets import starred

__all__ = ["CodedError"]


class CodedError(Exception):
    """What went wrong: a code, a sentence, and what to do. Secrets in the texts become stars."""

    def __init__(self, code: str, message: str, help: str = "") -> None:  # noqa: A002
        self.code = code
        self.message = starred(message)
        self.help = starred(help)
        super().__init__(self.message)

    def diagnostic(self) -> Diagnostic:
        """Return the same as a diagnostic without a place."""
        return Diagnostic(self.code, self.message, help=self.help)
