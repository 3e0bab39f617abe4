"""RouterEval (arXiv:2503.10657): prompts and matrices of scores, by split.

It is published as pickles, which are refused; the message says how to write one pool as JSON.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from composer.data.published.form import Form, Part, number
from composer.data.row import BadRow
from composer.diagnostics.amounts import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ROUTEREVAL"]

SPLITS = ("train", "val", "test")
SCORES = frozenset(f"{split}_score" for split in SPLITS)


def _claims(row: dict[str, Any]) -> bool:
    return not SCORES.isdisjoint(_flat(row))


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """Put what stands under `data` and `prompt` beside the rest."""
    inner = [each for key in ("data", "prompt") if isinstance(each := row.get(key), dict)]
    if not inner:
        return row
    return {key: value for one in (row, *inner) for key, value in one.items()}


def _parts(nested: dict[str, Any]) -> Iterator[Part]:
    dataset = _flat(nested)
    name = dataset.get("dataset")
    facts = {"dataset": name} if isinstance(name, str) else {}
    for split in SPLITS:
        scores, prompts = dataset.get(f"{split}_score"), dataset.get(f"{split}_prompt")
        if scores is None:
            continue
        if not _is_matrix(scores) or not isinstance(prompts, list | type(None)):
            raise BadRow(f"`{split}_score` must be a list of lists, and `{split}_prompt` a list")
        if prompts is None or len(prompts) != len(scores):
            count = "no" if prompts is None else f"{len(prompts)}"
            rows = counted(len(scores), "row")
            message = f"the split `{split}` has {rows} of scores and {count} prompts"
            raise BadRow(message, f'write the questions as "{split}_prompt": [...]')
        models = _models(dataset, len(scores[0]) if scores else 0)
        for at, (prompt, row) in enumerate(zip(prompts, scores, strict=True)):
            if len(row) != len(models):
                one_row = f"{counted(len(row), 'score')} of {counted(len(models), 'model')}"
                raise BadRow(f"row {at} of `{split}` has {one_row}")
            recorded = {
                model: {"score": score}
                for model, each in zip(models, row, strict=True)
                if (score := number(each)) is not None
            }
            whole = {"id": f"{split}-{at}", "query": str(prompt), "split": split}
            yield Part(whole | {"recorded": recorded}, facts)


def _is_matrix(scores: object) -> bool:
    return isinstance(scores, list) and all(isinstance(row, list) for row in scores)


def _models(dataset: dict[str, Any], count: int) -> list[str]:
    names = (
        dataset.get("model") or dataset.get("models") or [f"model {at + 1}" for at in range(count)]
    )
    if not isinstance(names, list):
        raise BadRow('"model" must be a list of names')
    return [str(name) for name in names]


ROUTEREVAL = Form("RouterEval", frozenset({*SCORES, "data", "prompt"}), _claims, _parts)
