"""HumanEval (arXiv:2107.03374) and MBPP (arXiv:2108.07732): tasks, samples, and what passed.

Answers to these are judged by tests, which a row keeps as fields: `test` and `entry_point`, or
`test_list`. Of recorded samples the results count that were recorded: `passed` of each.
"""

from __future__ import annotations

import gzip
from statistics import fmean
from typing import TYPE_CHECKING, Any

from composer.data.published.form import Form, Part, PublishedFile, present, words
from composer.data.row import BadRow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from composer.data.published.form import Files

__all__ = ["HUMANEVAL", "MBPP"]

RESULTS = "_results.jsonl"
"""How the file of results ends that HumanEval's own program writes beside the samples."""

SAMPLE = ("completion", "solution")
TESTS = ("test", "entry_point", "test_list", "test_setup_code", "test_imports")
"""The fields of a task by which its answers are tested."""

MODEL = ("model", "model_id", "generator", "file_name")
HEAD = 1 << 16


def _is_task(row: dict[str, Any]) -> bool:
    return "test_list" in row or ("test" in row and "entry_point" in row)


def _is_sample(row: dict[str, Any]) -> bool:
    return any(name in row for name in SAMPLE)


def _is_humaneval(row: dict[str, Any]) -> bool:
    named = str(row.get("task_id", "")).startswith("HumanEval/")
    return named and (_is_task(row) or _is_sample(row))


def _is_mbpp(row: dict[str, Any]) -> bool:
    name = row.get("task_id")
    named = isinstance(name, int) or str(name).removeprefix("Mbpp/").isdecimal()
    return named and (_is_task(row) or _is_sample(row))


def _files(root: Path) -> Files:
    """List the tasks and the samples of a folder; the name of a file of samples is the model's."""
    paths = [path for path in sorted(root.iterdir()) if path.is_file() and ".json" in path.name]
    if not any(_holds_tasks(path) for path in paths):
        return None
    results = {path.name.removesuffix(RESULTS) for path in paths if path.name.endswith(RESULTS)}
    return [
        PublishedFile(path, {"file_name": path.name.partition(".json")[0]})
        for path in paths
        if path.name not in results
    ]


def _holds_tasks(path: Path) -> bool:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            head = file.read(HEAD)
    except (OSError, EOFError):
        return False
    return b'"test_list"' in head or (b'"entry_point"' in head and b'"test"' in head)


def _parts(row: dict[str, Any]) -> Iterator[Part]:
    name = str(row["task_id"])
    if _is_task(row):
        prompt = next((row[key] for key in ("prompt", "text") if isinstance(row.get(key), str)), "")
        if not prompt.strip():
            raise BadRow("this task has no `prompt`", 'write `"prompt": "..."`')
        tests = present(**{key: row.get(key) for key in TESTS})
        yield Part({"id": name, "query": prompt, **tests}, {}, name)
        return
    text = next(words(row, key) for key in SAMPLE if key in row)
    passed = row.get("passed")
    if not isinstance(passed, bool | type(None)):
        raise BadRow(f"`passed` must be true or false, not {passed!r}", "write true or false")
    model = next((row[key] for key in MODEL if isinstance(row.get(key), str)), None)
    if model is None:
        message = "this sample has no `model`, and the name of its file is not known"
        raise BadRow(message, REMEDY)
    verdict = [] if passed is None else [passed]
    yield Part({"recorded": {model: {"answers": [text], "passed": verdict}}}, {}, name)


def _finish(row: dict[str, Any]) -> None:
    for outcome in row.get("recorded", {}).values():
        outcome["text"] = outcome["answers"][0]
        if len(outcome["passed"]) == len(outcome["answers"]):
            outcome["score"] = fmean(outcome["passed"])


REMEDY = (
    "give a folder with the published tasks and, for each model, MODEL.jsonl with rows of "
    "`task_id`, `completion` and `passed`"
)
HUMANEVAL = Form(
    "HumanEval", frozenset({"task_id"}), _is_humaneval, _parts, _files, _finish, REMEDY
)
MBPP = Form("MBPP", frozenset({"task_id"}), _is_mbpp, _parts, _files, _finish, REMEDY)
