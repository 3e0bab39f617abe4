"""Who is told what, while one query is answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from composer.run.events import OnEvent
    from composer.values.details import TokenChoice, TokenDetail

__all__ = ["SILENT", "Listeners"]


@dataclass(frozen=True, slots=True)
class Listeners:
    """Who is told of a query: of the answer's text and tokens, and of each event of its run.

    `detail` is what whoever watches wants of each token that any step lets a model write.
    """

    on_text: Callable[[str], None] | None = None
    on_token: Callable[[TokenChoice], None] | None = None
    on_event: OnEvent | None = None
    detail: TokenDetail | None = None


SILENT = Listeners()
"""Nobody is told anything."""
