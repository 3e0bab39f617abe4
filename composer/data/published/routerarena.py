"""RouterArena (arXiv:2510.00202): what a router chose for each query, and what others gave."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from composer.data.published.form import Form, Part, PublishedFile, answer, words
from composer.data.row import BadRow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from composer.data.published.form import Files

__all__ = ["ROUTERARENA"]

INDEX = ("global index", "global_index")
ROBUSTNESS = "-robustness"
"""How the name of the file ends that holds the choices for queries with changed wording."""


def _claims(row: dict[str, Any]) -> bool:
    return "prediction" in row and any(name in row for name in INDEX)


def _files(root: Path) -> Files:
    """List the predictions of one router, `X.json`, and those on changed queries beside them."""
    names = {path.stem: path for path in sorted(root.glob("*.json"))}
    robustness = {name for name in names if name.endswith(ROBUSTNESS)}
    if len(names) - len(robustness) != 1 or not robustness:
        return None
    main_first = sorted(names, key=lambda name: name in robustness)
    return [PublishedFile(names[name], {"robustness": name in robustness}) for name in main_first]


def _parts(row: dict[str, Any]) -> Iterator[Part]:
    name = next(str(row[field]) for field in INDEX if row.get(field) is not None)
    model = words(row, "prediction")
    if row.get("robustness"):
        facts = {"robustness_prompt": words(row, "prompt"), "robustness_choice": model}
        yield Part({"id": name}, facts, name)
        return
    content = {"id": name, "query": words(row, "prompt"), "recorded": {model: _outcome(row)}}
    dataset = name.rpartition("_")[0]
    content |= {"tags": [dataset]} if dataset else {}
    yield Part(content, {} if row.get("for_optimality") else {"choice": model}, name)


def _outcome(row: dict[str, Any]) -> dict[str, Any]:
    result = row.get("generated_result")
    if not isinstance(result, dict | type(None)):
        raise BadRow("`generated_result` must be an object or null")
    result = result or {}
    usage = result.get("token_usage")
    usage = usage if isinstance(usage, dict) else {}
    tokens = (usage.get(name) for name in ("input_tokens", "output_tokens"))
    return answer(result.get("generated_answer"), row.get("accuracy"), row.get("cost"), *tokens)


ROUTERARENA = Form("RouterArena", frozenset({"prediction"}), _claims, _parts, _files)
