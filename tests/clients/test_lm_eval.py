"""lm_eval's scores of a served recipe are those of `compose eval` on the same items."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from clients import run_client
from serve_process import ROOT

from composer import zoo

pytestmark = pytest.mark.slow

TASKS = Path(__file__).with_name("tasks")
METRICS = ("acc", "exact_match")
TOKENIZER = zoo.folder("general-1")
LIKELIEST = """use "zoo.ens" (A, B, C, general, other)

{candidates}
[{names}] -> rank({fuse}, by = likely(per = answer)) -> best()
"""
FUSES = {"fused": "token_fuse(A, B, C)", "unite": "token_fuse(general, other, align = topk())"}
HERE = {"tokenizer_backend": "huggingface", "tokenizer": TOKENIZER}
BACKENDS = {
    "remote": ({"tokenizer_backend": "auto", "num_concurrent": 4}, ()),
    "ids": ({**HERE, "num_concurrent": 8}, ()),
    "texts": ({**HERE, "tokenized_requests": False}, ("--batch_size", "8")),
}
"""Who cuts texts into tokens, and how prompts are sent: options of the model, and of lm_eval."""


@pytest.fixture
def folder(tmp_path, items):
    (tmp_path / "items.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in items))
    return tmp_path


def harness(url, tasks, folder, *more, **options):
    """Run lm_eval; give what it prints, and the metric of each task, as a share."""
    kind = "local-chat-completions" if url.endswith("chat/completions") else "local-completions"
    settings = {"base_url": url, "max_length": 512, **options}
    joined = ",".join(f"{name}={value}" for name, value in settings.items())
    printed = run_client(
        *("lm_eval", "run", "--model", kind, "--model_args", joined),
        *("--tasks", ",".join(tasks), "--include_path", TASKS, "--output_path", "results", *more),
        folder=folder,
    )
    (file,) = (folder / "results").rglob("results_*.json")
    results = json.loads(file.read_text())["results"]
    return printed, [
        next(value for name, value in results[task].items() if name.split(",")[0] in METRICS)
        for task in tasks
    ]


def evaluated(recipe, folder):
    """Run `compose eval` over the items; give the accuracy, as a share."""
    (folder / "recipe.ens").write_text(recipe)
    command = ("eval", "recipe.ens", "--data", "items.jsonl", "--how", "exact", "--json")
    done = subprocess.run(
        [sys.executable, "-m", "composer", *command, "--no-members", "--no-cache"],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)["accuracy"]


def likeliest(fuse, folder, items):
    """Rank the choices of each item by their likelihood, with `compose eval`."""
    rows = []
    for row in items:
        texts = {f"c{at}": {"text": f" {text}"} for at, text in enumerate(row["choices"])}
        rows.append({**row, "recorded": texts})
    (folder / "recorded.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    names = [f"c{at}" for at in range(len(items[0]["choices"]))]
    candidates = "\n".join(f'model {name} = recorded("recorded.jsonl", "{name}")' for name in names)
    recipe = LIKELIEST.format(candidates=candidates, names=", ".join(names), fuse=fuse)
    return evaluated(recipe, folder)


def written(fuse, folder):
    """Let a fuse write the answer to each item, with `compose eval`."""
    return evaluated(f'use "zoo.ens" (A, B, C, general, other)\n\n{fuse}\n', folder)


@pytest.mark.parametrize("backend", BACKENDS)
def test_choices_and_answers_score_as_in_compose_eval(v1, folder, items, backend):
    tasks = ("zoo_choice", "zoo_answer")
    options, more = BACKENDS[backend]
    url = f"{v1}/completions"
    printed, (acc, exact_match) = harness(url, tasks, folder, *more, model="fused", **options)
    if backend == "remote":
        assert "Using remote tokenizer backend" in printed
    assert acc == pytest.approx(likeliest(FUSES["fused"], folder, items))
    assert exact_match == pytest.approx(written(FUSES["fused"], folder))
    assert 0.4 < exact_match < acc < 1


@pytest.mark.parametrize("model", FUSES)
def test_answers_without_a_tokenizer_score_as_in_compose_eval(v1, folder, model):
    options = {"model": model, "tokenizer_backend": "none", "num_concurrent": 16}
    _, (exact_match,) = harness(f"{v1}/completions", ["zoo_answer"], folder, **options)
    assert exact_match == pytest.approx(written(FUSES[model], folder))


def test_a_chat_scores_as_in_compose_eval(v1, folder):
    options = {"model": "mission", "num_concurrent": 8}
    url = f"{v1}/chat/completions"
    _, (exact_match,) = harness(url, ["zoo_chat"], folder, "--apply_chat_template", **options)
    recipe = (ROOT / "recipes/mission.ens").read_text()
    assert exact_match == pytest.approx(evaluated(recipe, folder))
