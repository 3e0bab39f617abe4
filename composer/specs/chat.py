"""How a model is spoken to: its template, and what a recipe says about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.specs.content import file_digest

if TYPE_CHECKING:
    from composer.values.typed import Variables

__all__ = ["DEFAULT_CHAT", "Chat"]


@dataclass(frozen=True)
class Chat:
    """Which template writes a conversation, from the tokenizer or from a file, and how.

    `template` is `auto`, `chat`, `plain`, or the name of one of several. `args` are variables of
    the template. `fold_system` puts the system's words before the first question;
    `parse_special` lets a message spell special tokens.
    """

    template: str = "auto"
    file: str | None = None
    args: Variables = ()
    fold_system: bool = False
    parse_special: bool = False

    @property
    def plain(self) -> bool:
        """Whether no template is wanted."""
        return self.file is None and self.template == "plain"

    def content(self) -> str:
        """Name what prompts depend on, wherever a file lies."""
        return self._named(None if self.file is None else file_digest(self.file))

    def __str__(self) -> str:
        return self._named(self.file)

    def _named(self, file: str | None) -> str:
        template = self.template if file is None else f"file:{file}"
        variables = [f"{name}={value!r}" for name, value in self.args]
        flags = [name for name in ("fold_system", "parse_special") if getattr(self, name)]
        return ",".join((template, *variables, *flags))


DEFAULT_CHAT = Chat()
"""How a model is spoken to of which a recipe says nothing."""
