"""Reports on published recordings agree with what the files themselves say."""

from pathlib import Path
from statistics import fmean

import pytest

from composer import load
from composer.evaluate import evaluate, read_rows

DATA = Path(__file__).parents[3] / "shared" / "data" / "recorded"
pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason="the recorded answers are not beside the checkout"
)


def recipe(path, answer, **models):
    lines = [f'model {name} = recorded("{path}", "{model}")' for name, model in models.items()]
    return load("\n".join([*lines, answer]), root="/")


FILES = ["routellm_mmlu", "cascades_triviaqa_llama_test", "routerbench_mbpp_test", "zeroeval_crux"]


@pytest.mark.parametrize("name", FILES)
def test_accuracies_are_those_of_the_file(name):
    path = DATA / f"{name}.jsonl.gz"
    rows = read_rows(path, limit=100)
    first, second = list(rows[0].recorded)[:2]

    report = evaluate(
        recipe(path, "A -> cascade(B, accept = length >= 0)", A=first, B=second), rows
    )

    right = [[bool(row.recorded[model]["correct"]) for row in rows] for model in (first, second)]
    assert report.judged == len(rows)
    assert report.accuracy == pytest.approx(fmean(right[0]))
    assert report.members["B"].accuracy == pytest.approx(fmean(right[1]))
    assert report.oracle == pytest.approx(fmean(a or b for a, b in zip(*right, strict=True)))


def test_costs_and_tokens_are_those_of_the_file():
    path = DATA / "cascades_mmlu_llama_train.jsonl.gz"
    rows = read_rows(path)
    model = "llama3.1-8b"

    report = evaluate(recipe(path, "A", A=model), rows)

    assert report.cost == pytest.approx(sum(row.recorded[model]["cost"] for row in rows))
    assert report.completion_tokens == len(rows)
    assert report.members["A"].cost == pytest.approx(report.cost)


@pytest.mark.parametrize(
    "limit", [300, pytest.param(None, marks=pytest.mark.slow)], ids=["few", "all"]
)
def test_references_agree_with_the_published_judgements_of_worked_solutions(limit):
    """A few show that the readers agree; to grade all takes many seconds."""
    from composer.methods import Submission, find_part

    grader = find_part("grader", "auto")()
    rows = read_rows(DATA / "gsm8k_four_models.jsonl.gz", limit=limit)

    agreed = [
        grader.measure(Submission(kept["text"], row.references)).score == kept["correct"]
        for row in rows
        for kept in row.recorded.values()
    ]

    assert fmean(agreed) > 0.999
