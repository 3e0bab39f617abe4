"""Rows that no recorded model can answer are refused before the run."""

import json

import pytest

from composer import load
from composer.diagnostics import Mistakes
from composer.evaluate import demand_replayable, read_rows


def written(path, names):
    rows = [{"query": name, "recorded": {"A": {"correct": True}}} for name in names]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_rows_of_another_file_are_refused(tmp_path):
    train = written(tmp_path / "train.jsonl", "abc")
    test = written(tmp_path / "test.jsonl", "xyz")
    recipe = load(f'model A = recorded("{train}", "A")\nA', root="/")

    with pytest.raises(Mistakes, match="without any row of") as refused:
        demand_replayable(test, read_rows(test), [recipe])

    assert "--route-only" in refused.value.diagnostics[0].help


def test_some_common_rows_or_a_model_that_runs_are_no_mistake(tmp_path):
    train = written(tmp_path / "train.jsonl", "abc")
    test = written(tmp_path / "test.jsonl", "cxy")
    recorded = f'model A = recorded("{train}", "A")\n'

    demand_replayable(test, read_rows(test), [load(recorded + "A", root="/")])
    running = load(recorded + 'model B = fake("1")\n[A, B] -> vote()', root="/")
    demand_replayable(test, read_rows(test)[1:], [running])
