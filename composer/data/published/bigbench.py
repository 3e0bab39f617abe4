"""A task of BIG-Bench (arXiv:2206.04615): an object that holds its rows as `examples`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from composer.data.published.form import Form, Part, is_question
from composer.data.row import BadRow

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["BIGBENCH"]


def _claims(row: dict[str, Any]) -> bool:
    return isinstance(row.get("examples"), list) and not is_question(row)


def _parts(task: dict[str, Any]) -> Iterator[Part]:
    for row in task["examples"]:
        if not isinstance(row, dict):
            raise BadRow('"examples" contains an item that is not a JSON object')
        yield Part(row)


BIGBENCH = Form("BIG-Bench", frozenset({"examples"}), _claims, _parts)
