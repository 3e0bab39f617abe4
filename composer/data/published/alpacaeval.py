"""AlpacaEval 2 (arXiv:2404.04475): outputs of models, and preferences over a baseline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from composer.data.published.form import Form, Part, PublishedFile, number, present, words
from composer.data.row import BadRow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from composer.data.published.form import Files

__all__ = ["ALPACAEVAL"]

ANNOTATION = frozenset({"instruction", "output_1", "output_2", "generator_1", "generator_2"})
OUTPUT = frozenset({"instruction", "output", "generator", "dataset"})
ANNOTATOR = "weighted_alpaca_eval_gpt4_turbo"
"""The annotator of AlpacaEval 2; of others, the first by name is read."""

DRAW = 1.5


def _claims(row: dict[str, Any]) -> bool:
    return any(row.keys() >= names for names in (ANNOTATION, OUTPUT))


def _files(root: Path) -> Files:
    """List the annotations of each `<model>/`, else its outputs; None where there are neither."""
    files = [_file(model) for model in (root, *sorted(path for path in root.iterdir()))]
    return [PublishedFile(path, {}) for path in files if path is not None] or None


def _file(model: Path) -> Path | None:
    annotations = sorted(model.glob("*/annotations.json"))
    annotations.sort(key=lambda path: path.parent.name != ANNOTATOR)
    outputs = model / "model_outputs.json"
    return next(iter([*annotations, *([outputs] if outputs.is_file() else [])]), None)


def _parts(row: dict[str, Any]) -> Iterator[Part]:
    instruction = words(row, "instruction")
    content: dict[str, Any] = {"query": instruction}
    content |= {"tags": [row["dataset"]]} if isinstance(row.get("dataset"), str) else {}
    if row.keys() >= ANNOTATION:
        baseline, model = words(row, "generator_1"), words(row, "generator_2")
        facts = {"baseline": baseline} | present(
            difficulty=number(row.get("instruction_difficulty"))
        )
        recorded = {baseline: _outcome(row["output_1"], DRAW)}
        if model != baseline:
            recorded[model] = _outcome(row["output_2"], row.get("preference"))
        yield Part(content | {"recorded": recorded}, facts, instruction)
        return
    recorded = {words(row, "generator"): _outcome(row["output"], None)}
    yield Part(content | {"recorded": recorded}, {}, instruction)


def _outcome(output: object, value: object) -> dict[str, Any]:
    """Return an output with its preference, 1 for the baseline to 2; 0 was once a draw."""
    text = {"text": str(output)}
    if value is None:
        return text
    preference = number(value)
    preference = DRAW if preference == 0 else preference
    if preference is None or not 1 <= preference <= 2:  # noqa: PLR2004 - the ends of the scale
        message = f"a preference is a number from 1 to 2, or null, not {str(value)[:40]!r}"
        raise BadRow(message, "write 1 for the baseline, 2 for the model, 1.5 for a draw")
    return text | {"preference": preference, "score": preference - 1}


ALPACAEVAL = Form("AlpacaEval", frozenset({"generator", "generator_2"}), _claims, _parts, _files)
