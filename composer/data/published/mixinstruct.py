"""MixInstruct (LLM-Blender, arXiv:2306.02561): candidates with scores, and pairs compared."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from composer.data.published.form import Form, Part, number
from composer.data.row import BadRow

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MIXINSTRUCT", "VERDICTS"]

METRIC = "bertscore"
"""The metric that lies between 0 and 1 and needs no other scale."""

VERDICTS = ("A is better", "B is better", "Same good", "Same bad")
PAIRS = 'a pair is `"model A,model B": "A is better"`'


def _claims(row: dict[str, Any]) -> bool:
    return isinstance(row.get("candidates"), list) and "instruction" in row


def _parts(row: dict[str, Any]) -> Iterator[Part]:
    recorded: dict[str, dict[str, Any]] = {}
    for candidate in row["candidates"]:
        if not isinstance(candidate, dict) or "model" not in candidate:
            raise BadRow('a candidate of this row has no "model"', 'write `"model": "NAME"`')
        recorded.setdefault(str(candidate["model"]), _outcome(candidate))
    texts = (str(row.get(key) or "").strip() for key in ("instruction", "input"))
    name = str(row.get("id", ""))
    content = {"query": "\n".join(text for text in texts if text), "recorded": recorded}
    content |= {"reference": row["output"]} if row.get("output") else {}
    content |= {"tags": [name.partition("/")[0]]} if "/" in name else {}
    pairs = _pairs(row.get("cmp_results"), recorded)
    yield Part(content | ({"id": name} if name else {}), {"pairs": pairs} if pairs else {})


def _outcome(candidate: dict[str, Any]) -> dict[str, Any]:
    table = candidate.get("scores")
    table = table if isinstance(table, dict) else {}
    values = {name: number(value) for name, value in table.items()}
    scores = {name: value for name, value in values.items() if value is not None}
    if METRIC not in scores:
        message = f"the candidate of `{candidate['model']}` has no `{METRIC}` score"
        raise BadRow(message, f'write `"scores": {{"{METRIC}": 0.7}}`')
    return {"text": str(candidate.get("text", "")), "score": scores[METRIC], "scores": scores}


def _pairs(results: object, recorded: dict[str, Any]) -> dict[str, str]:
    """Return the verdict on each pair `A,B`; raises BadRow for what is none."""
    if results is None or results == "":
        return {}
    if isinstance(results, str):
        try:
            results = json.loads(results)
        except ValueError:
            raise BadRow("`cmp_results` is a text that is not JSON", PAIRS) from None
    if results is None:
        return {}
    if not isinstance(results, dict):
        raise BadRow("`cmp_results` must be an object of pairs, or null", PAIRS)
    for pair, verdict in results.items():
        first, comma, second = pair.partition(",")
        if not comma or first not in recorded or second not in recorded:
            raise BadRow(f"`cmp_results` compares `{pair}`, which are not two candidates", PAIRS)
        if verdict not in VERDICTS:
            verdicts = ", ".join(f'"{each}"' for each in VERDICTS)
            message = f"`cmp_results` has an unknown verdict on `{pair}`"
            raise BadRow(message, f"write one of {verdicts}")
    return results


MIXINSTRUCT = Form("MixInstruct", frozenset({"candidates"}), _claims, _parts)
