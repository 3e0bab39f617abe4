"""A mistake in words: code, place, what is wrong and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.diagnostics.secrets import starred, starred_value

if TYPE_CHECKING:
    from composer.diagnostics.places import Place


@dataclass(frozen=True, slots=True)
class Note:
    """Another place that a diagnostic involves, with a few words on it."""

    place: Place
    label: str


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One mistake or warning, as it is drawn for people and printed for programs.

    No secret that this process has seen is in its texts.
    """

    code: str
    message: str
    place: Place | None = None
    label: str = ""
    notes: tuple[Note, ...] = ()
    help: str = ""
    values: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("message", "label", "help"):
            object.__setattr__(self, name, starred(getattr(self, name)))
        object.__setattr__(self, "values", starred_value(self.values))

    @property
    def severity(self) -> str:
        """Either `warning`, for the codes that begin with W, or `error`."""
        return "warning" if self.code.startswith("W") else "error"

    def as_dict(self) -> dict[str, object]:
        """Give the plain values that `--json` prints."""
        return {
            "severity": self.severity,
            "code": self.code,
            "message": self.message,
            **_where(self.place),
            "label": self.label,
            "notes": [{**_where(note.place), "label": note.label} for note in self.notes],
            "values": list(self.values),
            "help": self.help,
        }


def _where(place: Place | None) -> dict[str, object]:
    if place is None:
        return dict.fromkeys(("file", "line", "column", "end_line", "end_column"))
    line, column = place.source.position(place.start)
    end_line, end_column = place.source.position(place.end)
    return {
        "file": place.source.name,
        "line": line,
        "column": column,
        "end_line": end_line,
        "end_column": end_column,
    }
