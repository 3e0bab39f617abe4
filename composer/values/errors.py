"""The one exception of models: a code, what is wrong in words, and what to do."""

from __future__ import annotations

from composer.diagnostics.secrets import starred

__all__ = ["ModelError", "described"]


class ModelError(Exception):
    """Something that a model cannot do, worded for the person who asked for it."""

    def __init__(self, code: str, message: str, help: str | None = None) -> None:
        self.code = code
        self.message = starred(message)
        super().__init__(self.message)
        self.help = help


def described(error: BaseException) -> tuple[str, str, str]:
    """Return any error's code, message and help; those of models and parts have their own."""
    code, message = getattr(error, "code", None), getattr(error, "message", None)
    if code and message:
        return code, starred(message), getattr(error, "help", None) or ""
    if isinstance(error, TimeoutError):
        return "E702", "no answer in time", ""
    return "E701", starred(f"{type(error).__name__}: {error}"), "`--traceback` shows where"
