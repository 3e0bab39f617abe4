"""The figures of published benchmarks, on small files, against figures worked by hand."""

import json
from pathlib import Path

import benchmark_files
import numpy as np
import pytest

from composer import load
from composer.diagnostics import Mistakes
from composer.evaluate import compare, decide_only, decided, evaluate, read_rows, render, shown
from composer.evaluate.benchmarks.codetests import pass_at_k
from composer.evaluate.benchmarks.lengths import length_controlled
from composer.evaluate.benchmarks.llmrouterbench import pareto_distance
from composer.evaluate.benchmarks.mixinstruct import ranks
from composer.evaluate.benchmarks.routerbench import cascade
from composer.evaluate.benchmarks.routereval import mixed_router

RECORDED = Path(__file__).parents[3] / "shared" / "data" / "recorded"
LONGEST = "[{names}] -> rank(by = longest()) -> best()"
ROUTE = "route(by = length(), policy = one()) -> [{names}]"


def recipe(path, answer, *models):
    lines = [f'model {name} = recorded("{path}", "{name}")' for name in models]
    answer = answer.format(names=", ".join(models))
    return load("\n".join([*lines, answer]), root="/")


def figures(report, benchmark, table="figures"):
    """Return a table of a report as it is printed with `--json`."""
    return json.loads(json.dumps(report.published.as_dict()))[benchmark][table]


def test_llmrouterbench(tmp_path):
    path = benchmark_files.llmrouterbench(tmp_path)
    report = evaluate(recipe(path, ROUTE, "mid", "big"), read_rows(path))

    table = figures(report, "LLMRouterBench")
    # Means of the data sets: big (.75 + .5) / 2, mid .5, any (.625 + .5) / 2, the best .625
    assert table["big"] == pytest.approx(
        {"AvgAcc": 0.625, "Gain@R": 0.625 / 0.5625 - 1, "Gain@B": 0, "Gap@O": 0}
    )
    assert table["mid"]["Gain@B"] == pytest.approx(-0.2)
    assert table["mid"]["Gap@O"] == pytest.approx(0.2)
    trades = figures(report, "LLMRouterBench", "accuracy and cost")
    assert trades["recipe"]["PerfGain"] == pytest.approx(-0.2)
    assert trades["recipe"]["CostSave"] is None, "it never asks big, and is never as good"


def test_llmrouterbench_names_missing_cells(tmp_path):
    path = benchmark_files.llmrouterbench(tmp_path)
    report = evaluate(recipe(path, LONGEST, "big", "tiny"), read_rows(path))

    assert "tiny has no answers to words" in report.published.notes[0]
    assert figures(report, "LLMRouterBench")["tiny"]["AvgAcc"] == 0.25


def test_a_distance_to_the_frontier():
    # Scaled by accuracy and log cost: (0, 1), and the frontier is (1, 1) and (1/6, 0)
    assert pareto_distance([(0.4, 10)], [(1, 10), (0.5, 1)]) == pytest.approx(1)
    assert pareto_distance([(1, 10)], [(0.4, 10), (0.5, 1)]) == 0


def test_routerarena(tmp_path):
    path = benchmark_files.routerarena(tmp_path)
    rows = read_rows(path)
    report = evaluate(recipe(path, ROUTE, "cheap", "good"), rows)

    table = figures(report, "RouterArena")
    c = np.log2(200 / 1) / np.log2(200 / 0.0044)
    assert table["recipe"] == pytest.approx(
        {
            "arena score": 1.1 * 0.25 * c / (0.1 * 0.25 + c),
            "accuracy": 0.25,
            "cost of 1,000": 1.0,
            "optimal selection": 1 / 3,
            "optimal cost": 1.0,
            "optimal accuracy": 1 / 3,
            "robustness": 1.0,
        }
    )
    theirs = table["the router of the file"]
    assert (theirs["accuracy"], theirs["cost of 1,000"]) == (0.5, 1.5)
    assert theirs["optimal selection"] == pytest.approx(1 / 3)
    assert theirs["optimal cost"] == pytest.approx((0.5 + 1) / 2)
    assert theirs["robustness"] == pytest.approx(2 / 3)
    only = decide_only(recipe(path, ROUTE, "cheap", "good"), rows)
    assert figures(only, "RouterArena") == table
    assert "RouterArena, as published" in shown(decided([only]))


def test_an_unknown_cost_is_not_the_least(tmp_path):
    path = benchmark_files.routerarena(tmp_path) / "mine.json"
    rows = json.loads(path.read_text())
    rows[1]["cost"] = None  # of `cheap` on the first query, which it gets right
    path.write_text(json.dumps(rows))

    report = evaluate(recipe(path, LONGEST, "good", "cheap"), read_rows(path))

    table = figures(report, "RouterArena")
    assert table["good"]["optimal selection"] == 1
    assert table["cheap"]["cost of 1,000"] == pytest.approx(1), "the mean of the other three"


def test_mtbench(tmp_path):
    path = benchmark_files.mtbench(tmp_path)
    report = evaluate(recipe(path, LONGEST, "wise", "quick"), read_rows(path))

    table = figures(report, "MT-Bench")
    assert table["wise"] == {"turn 1": 9, "turn 2": 6, "mean": 7.5}
    assert table["quick"] == pytest.approx({"turn 1": 17 / 3, "turn 2": 5.5, "mean": 5.6})
    assert table["recipe"] == table["quick"], "its answers are longer by a letter"
    categories = figures(report, "MT-Bench", "by category")
    assert categories["wise"] == {"writing": 8.5, "coding": 5.5}


def test_answers_without_ratings_say_what_to_give(tmp_path):
    path = benchmark_files.mtbench(tmp_path)
    report = evaluate(load('model M = fake("so")\nM'), read_rows(path))

    assert report.published.tables == ()
    assert "model_judgment" in report.published.notes[0]


def test_alpacaeval(tmp_path):
    path = benchmark_files.alpacaeval(tmp_path)
    report = evaluate(recipe(path, LONGEST, "long", "short"), read_rows(path))

    table = figures(report, "AlpacaEval")
    assert table["long"]["win rate"] == pytest.approx(3.8 / 6)
    assert table["short"]["win rate"] == pytest.approx(1.6 / 5), "0 is a draw, null is left out"
    assert table["short"]["mean length"] == len("short 0 ") * 4
    assert "instruction_difficulty" in report.published.notes[1]


def test_the_baseline_of_alpacaeval_ties_with_itself(tmp_path):
    path = benchmark_files.alpacaeval(tmp_path)
    table = figures(evaluate(recipe(path, "base", "base"), read_rows(path)), "AlpacaEval")

    assert (table["base"]["win rate"], table["base"]["length-controlled"]) == (0.5, 0.5)


def test_a_win_rate_at_equal_lengths_is_the_win_rate_if_lengths_are_equal():
    wins = np.full(40, 0.7)

    assert length_controlled(wins, np.zeros(40), None) == pytest.approx(0.7, abs=0.01)
    assert length_controlled(wins[:4], np.zeros(4), None) is None


def test_who_wins_always_wins_at_equal_lengths_too():
    assert length_controlled(np.ones(10), np.arange(10.0), None) == 1


def test_wins_by_length_alone_are_no_wins():
    longer = np.resize([-100.0, -100.0, -100.0, 100.0], 80)
    wins = np.where(longer < 0, 0.9, 0.1)

    assert wins.mean() == pytest.approx(0.7)
    assert length_controlled(wins, longer, None) == pytest.approx(0.5, abs=0.02)


def test_an_instruction_that_is_hard_counts():
    difficulty = np.resize([2.0, -2.0], 80)
    wins = np.where(difficulty > 0, 0.2, 0.8)

    assert length_controlled(wins, np.zeros(80), difficulty) == pytest.approx(0.5, abs=0.01)


def test_humaneval(tmp_path):
    path = benchmark_files.humaneval(tmp_path)
    report = evaluate(recipe(path, LONGEST, "coder"), read_rows(path))

    assert figures(report, "HumanEval")["coder"] == {
        "samples a task": 3,
        "pass@1": pytest.approx(1 / 3),
    }
    assert "recorded results only" in report.published.notes[0]


@pytest.mark.parametrize(
    ("samples", "passed", "k", "expected"),
    [(3, 2, 1, 2 / 3), (3, 2, 2, 1), (10, 3, 5, 1 - 21 / 252), (5, 0, 5, 0)],
)
def test_pass_at_k_is_unbiased(samples, passed, k, expected):
    assert pass_at_k(samples, passed, k) == pytest.approx(expected)


def test_tasks_without_results_are_refused_before_anything_is_asked(tmp_path):
    path = benchmark_files.humaneval(tmp_path)
    (path / "coder.jsonl_results.jsonl").unlink()

    with pytest.raises(Mistakes, match="running its tests") as caught:
        evaluate(load('model M = fake("return 1")\nM'), read_rows(path))

    assert "`passed`" in str(caught.value)
    assert evaluate(load('model M = fake("return 1")\nM'), read_rows(path), how='regex("1")')


MIX = [
    {
        "id": f"alpaca/{at}",
        "instruction": "Do.",
        "input": "",
        "output": "done",
        "candidates": [
            {"model": model, "text": f"{model} does {'it ' * words}", "scores": scores}
            for model, words, scores in (
                ("A", 3, {"bertscore": 0.9, "bartscore": -2.0, "bleurt": 0.1}),
                ("B", 2, {"bertscore": 0.5, "bartscore": -4.0, "bleurt": -0.3}),
                ("C", 1, {"bertscore": 0.7, "bartscore": -3.0, "bleurt": -0.1}),
            )
        ],
        "cmp_results": results and json.dumps(results),
    }
    for at, results in enumerate(
        [
            {"A,B": "A is better", "A,C": "A is better", "B,C": "Same good"},
            {"A,B": "B is better", "A,C": "B is better", "B,C": "A is better"},
            None,
        ]
    )
]


def test_mixinstruct(tmp_path):
    path = tmp_path / "test.jsonl"
    path.write_text("\n".join(map(json.dumps, MIX)))
    rows = read_rows(path)
    report = evaluate(recipe(path, LONGEST, "A", "B", "C"), rows)

    assert ranks(rows[0]) == {"A": 1, "B": 2, "C": 2}
    assert ranks(rows[1]) == {"A": 3, "B": 1, "C": 2}
    table = figures(report, "MixInstruct")
    assert table["recipe"] == pytest.approx(
        {
            "BARTScore": -2.0,
            "BERTScore": 0.9,
            "BLEURT": 0.1,
            "GPT-Rank": 2.0,
            "top 1": 0.5,
            "top 2": 0.5,
            "top 3": 1.0,
        }
    )
    assert table["B"]["GPT-Rank"] == 1.5


def test_an_answer_that_is_no_candidate_has_no_scores(tmp_path):
    path = tmp_path / "test.jsonl"
    path.write_text("\n".join(map(json.dumps, MIX)))
    report = evaluate(load('model M = fake("done")\nM'), read_rows(path))

    assert figures(report, "MixInstruct")["recipe"]["GPT-Rank"] is None
    assert "3 answers of recipe are none of the candidates" in report.published.notes[0]
    assert report.accuracy == 1, "`output` is the reference"


def test_routereval(tmp_path):
    path = tmp_path / "arc.json"
    data = {"test_score": [[1, 0], [0, 0], [1, 1], [0, 1]]}
    prompts = {"test_prompt": ["a", "b", "c", "d"]}
    value = {"model": ["big", "small"], "prompt": prompts, "data": data, "dataset": "arc"}
    path.write_text(json.dumps(value))
    report = evaluate(recipe(path, ROUTE, "small", "big"), read_rows(path))

    table = figures(report, "RouterEval")
    assert table["big"] == pytest.approx({"mu": 0.5, "Vr": 0.5 / 0.852, "Vb": 1.0, "Ep": 0.0})
    assert table["r_o(1)"]["mu"] == 0.75
    assert table["r_o(0)"] == pytest.approx({"mu": 0.5, "Vr": 0.5 / 0.852, "Vb": 1.0, "Ep": 1.0})
    assert 0 <= table["recipe"]["Ep"] <= 1
    assert "apgr" in report.router.figures
    assert "aiq" not in report.router.figures, "this benchmark has no costs"


def test_a_router_that_is_right_with_a_probability():
    scores = np.array([[1.0, 0.0], [0.0, 0.0]])

    assert mixed_router(scores, 1) == (0.5, 0.5)
    assert mixed_router(scores, 0) == (0.25, 1)
    bits = -(0.75 * np.log2(0.75) + 0.25 * np.log2(0.25))
    assert mixed_router(scores, 0.5) == pytest.approx((0.375, (bits + 1) / 2))


def test_routerbench(tmp_path):
    path = tmp_path / "rb.jsonl"
    scores = [(0, 1, 0.001), (1, 1, 0.001), (0, 1, None)]
    rows = [
        {
            "sample_id": f"s{at}",
            "prompt": f"q{at}",
            "eval_name": "sums",
            "small": small,
            "large": large,
            "small|total_cost": cost,
            "large|total_cost": 0.01,
            "small|model_response": "['a']",
            "large|model_response": "['b']",
        }
        for at, (small, large, cost) in enumerate(scores)
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    report = evaluate(recipe(path, LONGEST, "small", "large"), read_rows(path))

    table = figures(report, "RouterBench")
    # Two rows have both costs; a judge without errors asks `large` for one of them.
    assert table["cascade, the judge errs 0 %"]["quality"] == 1
    assert table["cascade, the judge errs 0 %"]["mean cost"] == pytest.approx(0.001 + 0.01 / 2)
    assert table["cascade, the judge errs 10 %"]["quality"] == pytest.approx((0.9 + 1) / 2)
    assert "leave out 1 rows" in report.published.notes[0]


def test_a_cascade_with_a_judge_that_errs():
    quality, cost = np.array([[0.0, 1.0]]), np.array([[1.0, 2.0]])

    assert cascade(quality, cost, np.ones(1), 0.1) == pytest.approx((0.9, 1 + 0.9 * 2))
    assert cascade(quality, cost, np.ones(1), 0.1, cap=2) == pytest.approx((0, 1))


@pytest.mark.skipif(
    not RECORDED.is_dir(), reason="the recorded answers are not beside the checkout"
)
@pytest.mark.parametrize(("error", "accuracy"), [(0, 0.9886), (0.1, 0.9268), (0.4, 0.7597)])
def test_cascades_over_eleven_models_are_the_published_ones(error, accuracy):
    rows = read_rows(RECORDED / "routerbench_arc_challenge_test.jsonl.gz")
    names = list(rows[0].recorded)
    outcomes = [[row.recorded[name] for name in names] for row in rows]
    quality = np.array([[float(one["correct"]) for one in row] for row in outcomes])
    cost = np.array([[one["cost"] for one in row] for row in outcomes])
    order = np.argsort(cost.mean(axis=0), kind="stable")

    reached, _ = cascade(quality[:, order], cost[:, order], np.ones(len(rows)), error)

    assert reached == pytest.approx(accuracy, abs=0.012)


def test_rows_of_no_benchmark_have_no_such_table(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"query": "q", "reference": "a"}\n')
    comparison = compare([load('model M = fake("a")\nM')], read_rows(path))

    assert comparison.as_dict()["published"] is None
    assert "as published" not in render(comparison)
