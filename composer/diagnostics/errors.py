"""The one form of an exception that a person reads: a code, what is wrong, and what to do."""

from __future__ import annotations

import re

from composer.diagnostics.diagnostics import Diagnostic
from composer.diagnostics.secrets import starred

__all__ = ["CodedError", "code_in"]

_CODE = re.compile(r"\[([EW]\d{3})\]")


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


def code_in(text: str) -> str | None:
    """Return the code that the text of an error begins with, as `[E701] ...` does."""
    match = _CODE.match(text)
    return match[1] if match else None
