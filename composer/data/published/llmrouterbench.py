"""LLMRouterBench (arXiv:2601.07206): a folder with one file a dataset, split, model and run."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from composer.data.published.form import Form, Part, PublishedFile, answer, is_question, present
from composer.data.row import BadRow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from composer.data.published.form import Files

__all__ = ["LLMROUTERBENCH"]

STAMP = re.compile(r"(\d{8}_\d{6})\.json$")
CELL = ("dataset_name", "split", "model_name")
PATTERNS = ("*/*/*.json", "*/*/*/*.json", "*/*/*/*/*.json")
"""Where runs lie in the folder of a dataset, in `bench`, and in `results`."""

LAYOUT = "results/bench/<dataset>/<split>/<model>/<timestamp>.json"


def _claims(row: dict[str, Any]) -> bool:
    records = row.get("records")
    return isinstance(records, list) and "performance" in row and not is_question(row)


def _files(root: Path) -> Files:
    """List the newest run of each cell that is no demo run; None without timestamped files."""
    paths = (path for pattern in PATTERNS for path in sorted(root.glob(pattern)))
    runs = [path for path in paths if STAMP.search(path.name)]
    cells: dict[Path, list[Path]] = defaultdict(list)
    for path in runs:
        cells[path.parent].append(path)
    newest = (
        next((path for path in sorted(cell, key=_stamp, reverse=True) if not _is_demo(path)), None)
        for cell in cells.values()
    )
    files = [PublishedFile(path, _cell(path)) for path in newest if path is not None]
    return files if runs else None


def _stamp(path: Path) -> str:
    match = STAMP.search(path.name)
    return match[1] if match else ""


def _cell(path: Path) -> dict[str, str]:
    return dict(zip(CELL, path.absolute().parts[-4:-1], strict=True))


def _is_demo(path: Path) -> bool:
    """Say whether a run is a demo; one that cannot be read is none, so that the reader names it."""
    try:
        content = path.read_bytes()
        return b'"demo"' in content and bool(json.loads(content).get("demo"))
    except (OSError, ValueError, AttributeError):
        return False


def _parts(run: dict[str, Any]) -> Iterator[Part]:
    if run.get("demo"):
        raise BadRow("this is a demo run of LLMRouterBench", "give the file of a whole run")
    dataset, split, model = (_name(run, field) for field in CELL)
    times: Counter[str] = Counter()
    for at, record in enumerate(run["records"]):
        if not isinstance(record, dict):
            raise BadRow(f"record {at} is not an object", "write the records as published")
        prompt = record.get("prompt") or record.get("origin_query")
        if not isinstance(prompt, str):
            raise BadRow(f"record {at} has no `prompt`", 'write `"prompt": "..."`')
        times[prompt] += 1
        truth = record.get("ground_truth")
        reference = truth if isinstance(truth, str | int | float) else None
        content = {"query": prompt, "tags": [dataset], "split": split}
        content |= present(reference=reference) | {"recorded": {model: _outcome(record)}}
        yield Part(content, {"dataset": dataset}, (dataset, split, prompt, times[prompt]))


def _name(run: dict[str, Any], field: str) -> str:
    value = run.get(field)
    if not isinstance(value, str) or not value:
        message = f"this run of LLMRouterBench has no `{field}`"
        raise BadRow(message, f"give the folder in its published layout: {LAYOUT}")
    return value


def _outcome(record: dict[str, Any]) -> dict[str, Any]:
    text = record.get("prediction") or record.get("raw_output")
    names = ("score", "cost", "prompt_tokens", "completion_tokens")
    return answer(text, *map(record.get, names))


LLMROUTERBENCH = Form("LLMRouterBench", frozenset({"records"}), _claims, _parts, _files)
