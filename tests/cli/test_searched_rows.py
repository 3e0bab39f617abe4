"""`compose eval` and the questions on which coefficients of a merge were searched."""

import json

import numpy as np
import pytest

from composer.cli import main
from composer.methods.edits.searched import query_digests
from composer.methods.fitted import save
from composer.values import State

RECIPE = """\
use "zoo.ens" (tune_maths, tune_text)
merge(tune_maths, tune_text, coefficients = greedy(file = "found.safetensors"))
"""
SEEN, OTHER = "What is 17 plus 25?", "What is 18 plus 25?"


@pytest.fixture
def compose(tmp_path, monkeypatch, capfd):
    """Run the command in a folder with a recipe whose coefficients were found on one question."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    arrays = {"coefficients": np.array([[0.5, 0.5]]), "queries": query_digests([SEEN])}
    save(tmp_path / "found.safetensors", State(arrays, {"part": "greedy"}))
    (tmp_path / "r.ens").write_text(RECIPE)
    for name, query, answer in (("seen", SEEN, "42"), ("other", OTHER, "43")):
        row = {"query": query, "reference": answer}
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(row) + "\n")

    def call(*arguments):
        with pytest.raises(SystemExit) as caught:
            main(list(arguments))
        out, err = capfd.readouterr()
        return caught.value.code, out + err

    return call


def test_rows_of_the_search_are_refused_with_a_way_out(compose):
    status, text = compose("eval", "r.ens", "--data", "seen.jsonl")
    assert status == 3
    assert "error[E727]" in text
    assert "searched on 1 row of these data" in text
    assert "--fitted-rows" in text


@pytest.mark.parametrize("arguments", [("seen.jsonl", "--fitted-rows"), ("other.jsonl",)])
def test_other_rows_are_measured_and_rows_of_the_search_when_asked(compose, arguments):
    status, text = compose("eval", "r.ens", "--no-members", "--data", *arguments)
    assert status == 0
    assert "accuracy" in text.lower()


def test_a_plot_of_a_fit_without_a_search_says_so(compose, tmp_path):
    rows = [
        {"query": f"q {n}", "recorded": {"a": {"correct": n % 2 == 0}, "b": {"correct": True}}}
        for n in range(12)
    ]
    (tmp_path / "rec.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "route.ens").write_text(
        'model a = recorded("rec.jsonl", "a")\nmodel b = recorded("rec.jsonl", "b")\n'
        "route(by = linear()) -> [a, b]\n"
    )
    status, text = compose("fit", "route.ens", "--data", "rec.jsonl", "--plot", "h.svg")
    assert status == 3
    assert "no merge and no stack was searched" in text
