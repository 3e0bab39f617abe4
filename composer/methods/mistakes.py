"""The exceptions of parts."""

from __future__ import annotations

from composer.diagnostics.errors import CodedError


class PartError(CodedError):
    """What went wrong in a part."""

    def __str__(self) -> str:
        return f"{self.message} ({self.help})" if self.help else self.message


class TemplateError(PartError):
    """A template that cannot be rendered with the values that reached it."""

    def __init__(self, message: str, help: str = "") -> None:
        super().__init__("E708", message, help)
