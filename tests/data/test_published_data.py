"""Published sets of recorded answers are read as they are given out; pickles are not."""

import csv
import gzip
import json
import pickle
import sys

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
        ({"model": ["big"]}, "row 0 of `train` has 2 scores of 1 models"),
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
    "cmp_results": "{}",
}


@pytest.mark.parametrize("name", ["mix.jsonl", "mix.json"])
def test_mixinstruct(tmp_path, name):
    path = tmp_path / name
    path.write_text(json.dumps(MIXINSTRUCT if name.endswith("l") else [MIXINSTRUCT]))

    (row,) = contents(path)

    assert (row["id"], row["tags"], row["query"]) == ("alpaca/7", ["alpaca"], "Translate.\neins")
    assert row["recorded"] == {
        "vicuna": {"text": "one", "score": 0.9},
        "koala": {"text": "two", "score": 0.4},
    }


def test_a_candidate_without_the_metric_is_named(tmp_path):
    path = tmp_path / "mix.jsonl"
    candidates = [{"model": "vicuna", "text": "one", "scores": {"bleu": 90}}]
    path.write_text(json.dumps(MIXINSTRUCT | {"candidates": candidates}))

    (bad,) = contents(path)

    assert "`vicuna` has no `bertscore`" in bad.message


@pytest.mark.parametrize("name", ["rows.pkl", "rows.jsonl", "rows.pickle.gz"])
def test_pickles_are_refused_unread(tmp_path, name):
    path = tmp_path / name
    raw = pickle.dumps([{"query": "q"}])
    path.write_bytes(gzip.compress(raw) if name.endswith("gz") else raw)

    with pytest.raises(Unreadable, match="pickle") as caught:
        read(path)

    assert caught.value.code == "E504"
    assert "to_csv" in caught.value.help


def test_parquet_needs_its_package(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    path = tmp_path / "rows.parquet"
    path.write_bytes(b"PAR1....PAR1")

    with pytest.raises(Unreadable, match="pyarrow"):
        read(path)
