"""Parts of rows that stand apart in a published set, joined when all were read."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from composer.data.row import BadRow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from composer.data.lines import Line
    from composer.data.published.form import Form, Part

__all__ = ["Gathering"]


@dataclass(eq=False)
class Gathering:
    """Rows by their keys, in the order of their first parts."""

    _rows: dict[object, tuple[Line, Form, Part]] = field(default_factory=dict)

    def add(self, line: Line, form: Form, part: Part) -> None:
        """Add a part; raises BadRow where it says another thing than an earlier one."""
        key = (form.benchmark, part.key)
        if key not in self._rows:
            self._rows[key] = (line, form, part)
            return
        row = self._rows[key][2]
        for model, outcome in part.content.get("recorded", {}).items():
            recorded = row.content.setdefault("recorded", {})
            _join(recorded.setdefault(model, {}), outcome, f"of `{model}` ")
        rest = {name: value for name, value in part.content.items() if name != "recorded"}
        _join(row.content, rest, "")
        _join(row.facts, part.facts, "")

    def lines(self) -> Iterator[Line]:
        """Yield the rows; one without a question is an error, or left out where that is right."""
        for line, form, part in self._rows.values():
            if "query" not in part.content:
                if form.remedy:
                    name = part.key if isinstance(part.key, str) else "this row"
                    message = f"{form.benchmark}: there are answers to `{name}`, but no question"
                    yield replace(line, content=BadRow(message, form.remedy))
                continue
            if form.finish is not None:
                form.finish(part.content)
            yield replace(line, content=part.content, benchmark=form.benchmark, facts=part.facts)


def _join(row: dict[str, Any], more: dict[str, Any], owner: str) -> None:
    """Add fields to a row; lists under one name are put together, other values must agree."""
    for name, value in more.items():
        if name not in row:
            row[name] = value
        elif isinstance(value, list) and name != "tags":
            row[name] = [*row[name], *value]
        elif row[name] != value:
            message = f"the `{name}` {owner}differs from an earlier part of this row"
            raise BadRow(message, "remove one of the two, or give only one run of each model")
