"""Lines of an output file that have the form of OpenAI's batch files, read back from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from composer.data import CUSTOM

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["plain_row"]

ANSWERS = (("choices", 0, "message", "content"), ("choices", 0, "text"), ("output", 0, "content"))
"""Where the replies of the three addresses have their answer."""


def plain_row(row: Mapping[str, object]) -> dict[str, object]:
    """Return a line of an output as a run writes it, whichever of the two forms it has."""
    if CUSTOM not in row or "response" not in row:
        return dict(row)
    extra = {name: row[name] for name in ("recipe", "asked") if name in row}
    return {
        "id": row[CUSTOM],
        "answer": _content(row["response"]),
        "error": row.get("error"),
    } | extra


def _content(response: object) -> object:
    """Return the answer of a response, None where there is none."""
    for way in ANSWERS:
        value: Any = response
        try:
            for key in ("body", *way):
                value = value[key]
        except (LookupError, TypeError):
            continue
        return value
    return None
