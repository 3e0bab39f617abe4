"""The exception of models, and how any error is told."""

from __future__ import annotations

from composer.diagnostics.errors import CodedError
from composer.diagnostics.secrets import starred

__all__ = ["ModelError", "described"]


class ModelError(CodedError):
    """Something that a model cannot do; where it is `transient`, it may succeed later."""

    transient: bool = False


def described(error: BaseException) -> tuple[str, str, str]:
    """Return any error's code, message and help; errors of other libraries have the code E701."""
    if isinstance(error, CodedError):
        return error.code, error.message, error.help
    if isinstance(error, TimeoutError):
        return "E702", "no answer in time", ""
    return "E701", starred(f"{type(error).__name__}: {error}"), "`--traceback` shows where"
