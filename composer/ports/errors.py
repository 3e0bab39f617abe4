"""The one exception of models: a code, what is wrong in words, and what to do."""

from __future__ import annotations

__all__ = ["ModelError"]


class ModelError(Exception):
    """Something that a model cannot do, worded for the person who asked for it."""

    def __init__(self, code: str, message: str, help: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.help = help
