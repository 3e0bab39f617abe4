"""The one exception of models: a code, what is wrong in words, and what to do."""

from __future__ import annotations

from composer.words.secrets import starred

__all__ = ["ModelError"]


class ModelError(Exception):
    """Something that a model cannot do, worded for the person who asked for it."""

    def __init__(self, code: str, message: str, help: str | None = None) -> None:
        self.code = code
        self.message = starred(message)
        super().__init__(self.message)
        self.help = help
