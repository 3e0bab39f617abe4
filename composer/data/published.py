"""Published sets of recorded answers, in the forms in which they are given out.

RouterBench (arXiv:2403.12031) has one row a question with three columns a model; RouterEval
(arXiv:2503.10657) has prompts and matrices of scores by split; MixInstruct (arXiv:2306.02561) has
candidates with the scores of several metrics.
"""

from __future__ import annotations

import ast
import math
from typing import TYPE_CHECKING, Any

from composer.data.row import QUESTIONS, BadRow

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["converted"]

COST, RESPONSE = "|total_cost", "|model_response"
"""How RouterBench ends the columns of a model, beside the one with its score."""

SPLITS = ("train", "val", "test")
SCORES = frozenset(f"{split}_score" for split in SPLITS)
METRIC = "bertscore"
"""The metric of MixInstruct that lies between 0 and 1 and needs no other scale."""


def converted(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the rows in our names that an object holds: itself, if it is of no published set."""
    if "prompt" in row and "eval_name" in row:
        yield _routerbench(row)
    elif isinstance(row.get("candidates"), list) and "instruction" in row:
        yield _mixinstruct(row)
    elif isinstance(row.get("examples"), list) and not any(name in row for name in QUESTIONS):
        yield from _examples(row["examples"])
    elif not SCORES.isdisjoint(flat := _flat(row)):
        yield from _routereval(flat)
    else:
        yield row


def _examples(rows: list[object]) -> Iterator[dict[str, Any]]:
    """Yield the rows of a task of BIG-Bench, an object that holds them as `examples`."""
    for row in rows:
        if not isinstance(row, dict):
            raise BadRow('"examples" contains an item that is not a JSON object')
        yield row


def _routerbench(row: dict[str, Any]) -> dict[str, Any]:
    models = [name.removesuffix(COST) for name in row if name.endswith(COST)]
    numbers = ((model, _number(row.get(model)), _number(row[model + COST])) for model in models)
    recorded = {
        model: {"score": score, "cost": cost or 0.0} | _said(row.get(model + RESPONSE))
        for model, score, cost in numbers
        if score is not None
    }
    return {
        "id": str(row.get("sample_id", row["prompt"])),
        "query": _unlisted(str(row["prompt"])),
        "tags": [str(row["eval_name"])],
        "recorded": recorded,
    }


def _said(response: object) -> dict[str, str]:
    return {} if response is None else {"text": _unlisted(str(response))}


def _unlisted(text: str) -> str:
    """Read the prompts and answers of RouterBench, which are Python lists of texts in text."""
    if not text.startswith("["):
        return text
    try:
        turns = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text
    if not isinstance(turns, list) or not all(isinstance(turn, str) for turn in turns):
        return text
    return "\n".join(turns)


def _number(value: object) -> float | None:
    """Read a number; an empty cell and one that is none are not known."""
    if value is None or isinstance(value, bool):
        return None if value is None else float(value)
    try:
        number = float(str(value))
    except ValueError:
        truth = {"true": 1.0, "false": 0.0}
        return truth.get(str(value).lower())
    return number if math.isfinite(number) else None


def _mixinstruct(row: dict[str, Any]) -> dict[str, Any]:
    recorded: dict[str, dict[str, Any]] = {}
    for one in row["candidates"]:
        if not isinstance(one, dict) or "model" not in one:
            raise BadRow('a candidate of this row has no "model"')
        scores = one.get("scores")
        score = _number(scores.get(METRIC)) if isinstance(scores, dict) else None
        if score is None:
            raise BadRow(f"the candidate of `{one['model']}` has no `{METRIC}` score")
        recorded.setdefault(str(one["model"]), {"text": str(one.get("text", "")), "score": score})
    parts = (str(row.get(key) or "").strip() for key in ("instruction", "input"))
    name = str(row.get("id", ""))
    fields = {"query": "\n".join(part for part in parts if part), "recorded": recorded}
    tags = {"tags": [name.partition("/")[0]]} if "/" in name else {}
    return fields | tags | ({"id": name} if name else {})


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """Put what RouterEval keeps under `data` and `prompt` beside the rest."""
    inner = [each for key in ("data", "prompt") if isinstance(each := row.get(key), dict)]
    if not inner:
        return row
    return {key: value for one in (row, *inner) for key, value in one.items()}


def _routereval(dataset: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for split in SPLITS:
        scores, prompts = dataset.get(f"{split}_score"), dataset.get(f"{split}_prompt")
        if scores is None:
            continue
        if not _is_matrix(scores) or not isinstance(prompts, list | type(None)):
            raise BadRow(f"`{split}_score` must be a list of lists, and `{split}_prompt` a list")
        if prompts is None or len(prompts) != len(scores):
            count = "no" if prompts is None else f"{len(prompts)}"
            message = f"the split `{split}` has {len(scores)} rows of scores and {count} prompts"
            raise BadRow(message, f'write the questions as "{split}_prompt": [...]')
        models = _models(dataset, len(scores[0]) if scores else 0)
        for at, (prompt, row) in enumerate(zip(prompts, scores, strict=True)):
            if len(row) != len(models):
                raise BadRow(f"row {at} of `{split}` has {len(row)} scores of {len(models)} models")
            recorded = {
                name: {"score": score}
                for name, each in zip(models, row, strict=True)
                if (score := _number(each)) is not None
            }
            whole = {"id": f"{split}-{at}", "query": str(prompt), "split": split}
            yield whole | {"recorded": recorded}


def _is_matrix(scores: object) -> bool:
    return isinstance(scores, list) and all(isinstance(row, list) for row in scores)


def _models(dataset: dict[str, Any], count: int) -> list[str]:
    names = (
        dataset.get("model") or dataset.get("models") or [f"model {at + 1}" for at in range(count)]
    )
    if not isinstance(names, list):
        raise BadRow('"model" must be a list of names')
    return [str(name) for name in names]
