"""Published sets of recorded answers are read as they are given out; pickles are not."""

import csv
import gzip
import json
import pickle
import re
import subprocess
import sys

import numpy as np
import pytest

from composer.data import BadRow, Unreadable, read

ROUTERBENCH = [
    {
        "sample_id": "mbpp.dev.1",
        "prompt": "['Write a function.', 'Now test it.']",
        "eval_name": "mbpp",
        "gpt": "1.0",
        "org/small": "",
        "gpt|model_response": "['def f(): pass']",
        "org/small|model_response": "",
        "gpt|total_cost": "0.0005",
        "org/small|total_cost": "",
        "oracle_model_to_route_to": "gpt",
    },
    {
        "sample_id": "arc.2",
        "prompt": "['Which one?']",
        "eval_name": "arc",
        "gpt": "True",
        "org/small": "0.25",
        "gpt|model_response": "['A']",
        "org/small|model_response": "no list",
        "gpt|total_cost": "2e-05",
        "org/small|total_cost": "1e-06",
        "oracle_model_to_route_to": "gpt",
    },
]
TURNED = [
    {
        "id": "mbpp.dev.1",
        "query": "Write a function.\nNow test it.",
        "tags": ["mbpp"],
        "recorded": {"gpt": {"score": 1.0, "cost": 0.0005, "text": "def f(): pass"}},
    },
    {
        "id": "arc.2",
        "query": "Which one?",
        "tags": ["arc"],
        "recorded": {
            "gpt": {"score": 1.0, "cost": 2e-05, "text": "A"},
            "org/small": {"score": 0.25, "cost": 1e-06, "text": "no list"},
        },
    },
]


def contents(path):
    return [line.content for line in read(path)]


def test_routerbench_as_csv(tmp_path):
    path = tmp_path / "rb.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(ROUTERBENCH[0]))
        writer.writeheader()
        writer.writerows(ROUTERBENCH)

    assert contents(path) == TURNED


def test_routerbench_as_json_lines(tmp_path):
    path = tmp_path / "rb.jsonl.gz"
    numbers = [
        {
            key: float(one) if key == "gpt" and one == "1.0" else one or None
            for key, one in r.items()
        }
        for r in ROUTERBENCH
    ]
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, numbers)).encode()))

    assert contents(path) == TURNED


def test_a_cost_that_is_not_there_is_unknown_in_routerbench(tmp_path):
    path = tmp_path / "rb.jsonl"
    row = ROUTERBENCH[1] | {"gpt|total_cost": None, "org/small|total_cost": 0}
    path.write_text(json.dumps(row))

    (content,) = contents(path)

    assert "cost" not in content["recorded"]["gpt"]
    assert content["recorded"]["org/small"]["cost"] == 0


ROUTEREVAL = {
    "model": ["big", "small"],
    "prompt": {"train_prompt": ["a", "b"], "test_prompt": ["c"]},
    "data": {"train_score": [[1, 0], [0.5, None]], "test_score": [[0, 1]]},
}


def test_routereval_as_json(tmp_path):
    path = tmp_path / "re.json"
    path.write_text(json.dumps(ROUTEREVAL, indent=2))

    first, second, third = contents(path)

    assert first == {
        "id": "train-0",
        "query": "a",
        "split": "train",
        "recorded": {"big": {"score": 1.0}, "small": {"score": 0.0}},
    }
    assert second["recorded"] == {"big": {"score": 0.5}}
    assert (third["query"], third["split"]) == ("c", "test")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"prompt": {}}, "2 rows of scores and no prompts"),
        ({"prompt": {"train_prompt": ["a"]}}, "2 rows of scores and 1 prompts"),
        ({"model": ["big"]}, "row 0 of `train` has 2 scores of 1 model"),
    ],
)
def test_routereval_that_does_not_fit_together(tmp_path, change, said):
    path = tmp_path / "re.json"
    path.write_text(json.dumps(ROUTEREVAL | change))

    (bad,) = contents(path)

    assert isinstance(bad, BadRow)
    assert said in bad.message


MIXINSTRUCT = {
    "id": "alpaca/7",
    "instruction": "Translate.",
    "input": "eins",
    "output": "one",
    "candidates": [
        {"model": "vicuna", "text": "one", "scores": {"bleu": 90, "bertscore": 0.9}},
        {"model": "koala", "text": "two", "scores": {"bleu": 2, "bertscore": "0.4"}},
    ],
    "cmp_results": '{"vicuna,koala": "A is better"}',
}


@pytest.mark.parametrize("name", ["mix.jsonl", "mix.json"])
def test_mixinstruct(tmp_path, name):
    path = tmp_path / name
    path.write_text(json.dumps(MIXINSTRUCT if name.endswith("l") else [MIXINSTRUCT]))

    (row,) = contents(path)

    assert (row["id"], row["tags"], row["query"]) == ("alpaca/7", ["alpaca"], "Translate.\neins")
    assert row["recorded"] == {
        "vicuna": {"text": "one", "score": 0.9, "scores": {"bleu": 90, "bertscore": 0.9}},
        "koala": {"text": "two", "score": 0.4, "scores": {"bleu": 2, "bertscore": 0.4}},
    }
    assert row["reference"] == "one"


@pytest.mark.parametrize(
    ("results", "message"),
    [
        ('{"vicuna,koala": "A is best"}', "unknown verdict on `vicuna,koala`"),
        ('{"vicuna,alpaca": "Same bad"}', "compares `vicuna,alpaca`"),
        ('{"vicuna', "a text that is not JSON"),
        ([], "must be an object of pairs"),
    ],
)
def test_comparisons_of_mixinstruct_that_are_wrong(tmp_path, results, message):
    path = tmp_path / "mix.jsonl"
    path.write_text(json.dumps(MIXINSTRUCT | {"cmp_results": results}))

    (bad,) = contents(path)

    assert message in bad.message


@pytest.mark.parametrize(
    ("results", "pairs"),
    [
        ('{"vicuna,koala": "Same bad"}', {"vicuna,koala": "Same bad"}),
        ("null", None),
        (None, None),
    ],
)
def test_comparisons_of_mixinstruct_come_with_the_row(tmp_path, results, pairs):
    path = tmp_path / "mix.jsonl"
    path.write_text(json.dumps(MIXINSTRUCT | {"cmp_results": results}))

    (line,) = read(path)

    assert (line.benchmark, line.facts.get("pairs")) == ("MixInstruct", pairs)


def test_a_candidate_without_the_metric_is_named(tmp_path):
    path = tmp_path / "mix.jsonl"
    candidates = [{"model": "vicuna", "text": "one", "scores": {"bleu": 90}}]
    path.write_text(json.dumps(MIXINSTRUCT | {"candidates": candidates}))

    (bad,) = contents(path)

    assert "`vicuna` has no `bertscore`" in bad.message


def run_advice(advice, folder):
    """Run the command that an advice shows, with this very Python, as a person would."""
    command = re.search(r"`python (.*?)`", advice)[1]
    subprocess.run(f"{sys.executable} {command}", shell=True, check=True, cwd=folder)


def test_a_pickle_of_routereval_is_converted_by_the_line_that_the_error_shows(tmp_path):
    path = tmp_path / "arc_router_dataset.pkl"
    pool = {
        "model": ["big", "small"],
        "data": {"test_score": np.array([[1.0, 0.0], [0.0, 1.0]]), "train_score": np.zeros((0, 2))},
    }
    prompts = {"train_prompt": np.array([], dtype=str), "test_prompt": np.array(["a", "b"])}
    value = {"easy": {3: {"strong_to_weak": pool}}, "prompt": prompts, "embedding": np.ones(3)}
    path.write_bytes(pickle.dumps(value))
    with pytest.raises(Unreadable) as caught:
        read(path)
    assert "'all_weak'" in caught.value.help

    run_advice(caught.value.help, tmp_path)

    first, second = read(tmp_path / "arc.json")
    assert (first.benchmark, first.facts) == ("RouterEval", {"dataset": "arc"})
    assert first.content["recorded"] == {"big": {"score": 1.0}, "small": {"score": 0.0}}
    assert (second.content["query"], second.content["split"]) == ("b", "test")


@pytest.mark.parametrize("packed", [False, True])
def test_a_pickle_of_rows_is_converted_by_the_line_that_the_error_shows(tmp_path, packed):
    path = tmp_path / ("it's.pkl.gz" if packed else "it's.pkl")
    raw = pickle.dumps([{"query": "q", "reference": np.float64(4)}])
    path.write_bytes(gzip.compress(raw) if packed else raw)
    with pytest.raises(Unreadable) as caught:
        read(path)

    run_advice(caught.value.help, tmp_path)

    assert contents(tmp_path / "it's.json") == [{"query": "q", "reference": 4}]


def test_a_pickled_table_is_converted_by_pandas(tmp_path):
    path = tmp_path / "routerbench_0shot.pkl"
    path.write_bytes(b"\x80\x04\x95\x00\x00\x8c\x11pandas.core.frame\x94.")

    with pytest.raises(Unreadable) as caught:
        read(path)

    assert "pandas.read_pickle" in caught.value.help
    assert "routerbench_0shot.csv" in caught.value.help


@pytest.mark.parametrize("name", ["rows.pkl", "rows.jsonl", "rows.pickle.gz"])
def test_pickles_are_refused_unread(tmp_path, name):
    path = tmp_path / name
    raw = pickle.dumps([{"query": "q"}])
    path.write_bytes(gzip.compress(raw) if name.endswith("gz") else raw)

    with pytest.raises(Unreadable, match="pickle") as caught:
        read(path)

    assert caught.value.code == "E504"
    assert "json.dump" in caught.value.help


def test_parquet_needs_its_package(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    path = tmp_path / "rows.parquet"
    path.write_bytes(b"PAR1....PAR1")

    with pytest.raises(Unreadable, match="pyarrow"):
        read(path)
