"""Small files in the forms of published benchmarks, with invented content, made by hand."""

import gzip
import json


def _write(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = path.suffix in (".jsonl", ".gz")
    text = "\n".join(map(json.dumps, value)) + "\n" if lines else json.dumps(value)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())


SCORES = {
    "big": {"sums": [1, 1, 1, 0], "words": [1, 0]},
    "mid": {"sums": [1, 1, 0, 0], "words": [1, 0]},
    "tiny": {"sums": [0, 0, 1, 0]},
}
"""By model and dataset; `tiny` has no answers to `words`."""

COSTS = {"big": 0.4, "mid": 0.1, "tiny": 0.1}


def llmrouterbench(root):
    """Write `results/bench`; of `big` on `sums` there are an older run and a newer demo run."""
    bench = root / "results" / "bench"
    for model, datasets in SCORES.items():
        for dataset, scores in datasets.items():
            folder = bench / dataset / "test" / model
            _write(folder / "20250102_100000.json", _run(dataset, model, scores))
    old = _run("sums", "big", [0, 0, 0, 0])
    _write(bench / "sums" / "test" / "big" / "20250101_235959.json", old)
    demo = _run("sums", "big", [0]) | {"demo": True}
    _write(bench / "sums" / "test" / "big" / "20250301_000000.json", demo)
    return root / "results" / "bench"


def _run(dataset, model, scores):
    records = [
        {
            "index": at + 1,
            "origin_query": f"{dataset} {at}",
            "prompt": f"Question: {dataset} {at}",
            "prediction": f"{model} says {at}",
            "ground_truth": str(at),
            "score": float(score),
            "prompt_tokens": 15,
            "completion_tokens": 5,
            "cost": COSTS[model],
            "raw_output": "...",
        }
        for at, score in enumerate(scores)
    ]
    named = {"dataset_name": dataset, "split": "test", "model_name": model}
    return {
        "performance": 0.5,
        "time_taken": 1.0,
        "counts": len(scores),
        "records": records,
    } | named


ARENA = [
    ("Sums_1", "good", 1.0, 0.002, False),
    ("Sums_1", "cheap", 1.0, 0.001, True),
    ("Sums_2", "good", 1.0, 0.002, False),
    ("Sums_2", "cheap", 0.0, 0.001, True),
    ("Words_1", "cheap", 0.0, 0.001, False),
    ("Words_1", "good", 0.0, 0.004, True),
    ("Words_2", "cheap", 0.0, 0.001, False),
    ("Words_2", "good", 1.0, 0.004, True),
]
"""Query, model, accuracy, cost, and whether the row stands there for optimality alone."""


def routerarena(root):
    """Write the predictions of a router, and those on the same queries in other words."""
    rows = [
        {
            "global index": name,
            "prompt": f"{name.replace('_', ' ')}?",
            "prediction": model,
            "generated_result": {
                "generated_answer": f"{model} on {name}",
                "success": True,
                "token_usage": {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15},
                "provider": "none",
                "error": None,
            },
            "cost": cost,
            "accuracy": accuracy,
            "for_optimality": optimality,
        }
        for name, model, accuracy, cost, optimality in ARENA
    ]
    _write(root / "mine.json", rows)
    choices = {"Sums_1": "good", "Sums_2": "cheap", "Words_2": "cheap", "Other_9": "good"}
    changed = [
        {"global index": name, "prompt": f"{name}, plese?", "prediction": model}
        for name, model in choices.items()
    ]
    _write(root / "mine-robustness.json", changed)
    return root


RATINGS = {
    "wise": {81: (9, 8), 82: (10, 7), 121: (8, 3)},
    "quick": {81: (6, 5), 82: (4, -1), 121: (7, 6)},
}
CATEGORIES = {81: "writing", 82: "writing", 121: "coding"}


def mtbench(root):
    """Write `mt_bench`, with a pairwise judgment and a reference answer that are not read."""
    questions = [
        {"question_id": number, "category": category, "turns": [f"Ask {number}.", "And then?"]}
        for number, category in CATEGORIES.items()
    ]
    _write(root / "question.jsonl", questions)
    judgments = []
    for model, ratings in RATINGS.items():
        answers = [
            {
                "question_id": number,
                "answer_id": f"{model}{number}",
                "model_id": model,
                "choices": [{"index": 0, "turns": [f"{model}: {number}", "more"]}],
                "tstamp": 1.0,
            }
            for number in ratings
        ]
        _write(root / "model_answer" / f"{model}.jsonl", answers)
        judgments += [
            {
                "question_id": number,
                "model": model,
                "judge": ["judge", "single-v1"],
                "user_prompt": "...",
                "judgment": f"Rating: [[{rating}]]",
                "score": rating,
                "turn": turn,
                "tstamp": 2.0,
            }
            for number, pair in ratings.items()
            for turn, rating in enumerate(pair, 1)
        ]
    _write(root / "model_judgment" / "judge_single.jsonl", judgments)
    pair = {"question_id": 81, "model_1": "wise", "model_2": "quick", "g1_winner": "model_1"}
    _write(root / "model_judgment" / "judge_pair.jsonl", [pair])
    answer = {"question_id": 121, "model_id": "wise", "choices": [{"turns": ["the truth", ""]}]}
    _write(root / "reference_answer" / "wise.jsonl", [answer])
    return root


PREFERENCES = {"long": [1.9, 2.0, 1.2, 1.7, 1.6, 1.4], "short": [1.1, 1.5, 0.0, 1.3, 1.2, None]}


def alpacaeval(root):
    """Write `results/<model>` with annotations of two models, and outputs of one without any."""
    for model, preferences in PREFERENCES.items():
        rows = [
            {
                "instruction": f"Do task {at}.",
                "output_1": "base " * 10,
                "generator_1": "base",
                "dataset": "helpful_base" if at % 2 else "koala",
                "output_2": f"{model} {at} " * (3 + 2 * at if model == "long" else 4),
                "generator_2": model,
                "annotator": "weighted_alpaca_eval_gpt4_turbo",
                "preference": preference,
            }
            for at, preference in enumerate(preferences)
        ]
        folder = root / model
        _write(folder / "weighted_alpaca_eval_gpt4_turbo" / "annotations.json", rows)
        other = [row | {"preference": 1.0, "annotator": "alpaca_eval_gpt4"} for row in rows]
        _write(folder / "alpaca_eval_gpt4" / "annotations.json", other)
    outputs = [
        {
            "instruction": f"Do task {at}.",
            "output": f"plain {at}",
            "generator": "plain",
            "dataset": "helpful_base" if at % 2 else "koala",
        }
        for at in range(6)
    ]
    _write(root / "plain" / "model_outputs.json", outputs)
    return root


PASSED = {"coder": [[True, False, True], [False, False, False]], "guess": [[False], [True]]}


def humaneval(root):
    """Write two tasks, samples with results of one model, and samples without of another."""
    tasks = [
        {
            "task_id": f"HumanEval/{at}",
            "prompt": f"def f{at}():\n",
            "entry_point": f"f{at}",
            "canonical_solution": "    return 1\n",
            "test": "def check(candidate):\n    assert candidate() == 1\n",
        }
        for at in range(2)
    ]
    _write(root / "HumanEval.jsonl.gz", tasks)
    for model, passed in PASSED.items():
        samples = [
            {"task_id": f"HumanEval/{at}", "completion": f"    return {number}\n"}
            for at, verdicts in enumerate(passed)
            for number in range(len(verdicts))
        ]
        _write(root / f"{model}.jsonl", samples)
        if model == "coder":
            verdicts = [verdict for task in passed for verdict in task]
            results = [
                sample | {"result": "passed" if verdict else "failed: ...", "passed": verdict}
                for sample, verdict in zip(samples, verdicts, strict=True)
            ]
            _write(root / f"{model}.jsonl_results.jsonl", results)
    return root


def mbpp(root):
    """Write two tasks and judged samples of one model."""
    tasks = [
        {
            "task_id": 11 + at,
            "text": f"Write a function that returns {at}.",
            "code": f"def f():\n    return {at}",
            "test_list": [f"assert f() == {at}"],
            "test_setup_code": "",
            "challenge_test_list": [],
        }
        for at in range(2)
    ]
    _write(root / "mbpp.jsonl", tasks)
    samples = [
        {"task_id": 11, "completion": "def f():\n    return 0", "passed": True},
        {"task_id": 12, "completion": "def f():\n    return 0", "passed": False},
    ]
    _write(root / "coder.jsonl", samples)
    return root
