"""The mistake that a part reports when it cannot do its work."""


class PartError(Exception):
    """What went wrong in a part, said for a person: a code, a sentence, and what to do."""

    def __init__(self, code: str, message: str, help: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.help = help

    def __str__(self) -> str:
        return f"{self.message} ({self.help})" if self.help else self.message


class TemplateError(PartError):
    """A template that cannot be rendered with the values that reached it."""

    def __init__(self, message: str, help: str = "") -> None:
        super().__init__("E708", message, help)
