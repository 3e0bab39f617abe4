"""Votes over recorded answers of real models, through recipes: published figures, and the guard."""

import gzip
import json
import random
from pathlib import Path

import pytest

from composer.cli import main
from composer.methods.agreements.base import Verbatim
from composer.methods.recorded_answers import recorded_answers
from composer.methods.reductions.guarded import Guarded
from composer.methods.reductions.held_out import fitted_on
from composer.methods.reductions.log_odds import LogOdds
from composer.methods.selecting import comparisons

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "recorded"
GSM, CRUX = (
    ("zeroeval_gsm", "number()", "numeric()"),
    ("zeroeval_crux", "whole(as_written = true)", "verbatim()"),
)
SMALL = [
    "Meta-Llama-3-8B-Instruct",
    "Qwen2-7B-Instruct",
    "Yi-1.5-9B-Chat",
    "Phi-3.5-mini-instruct",
    "gemma-2-9b-it",
]
LARGE = [
    "Qwen2.5-72B-Instruct",
    "Meta-Llama-3.1-70B-Instruct",
    "Mistral-Large-2",
    "deepseek-v2.5-0908",
    "gemini-1.5-pro",
    "claude-3-opus-20240229",
    "gpt-4o-mini-2024-07-18",
]
FOUR = ["6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification"]
POOLS = [
    pytest.param(GSM, SMALL, 91.62, id="gsm small5"),
    pytest.param(
        CRUX,
        ["Meta-Llama-3.1-8B-Instruct", "Qwen2.5-7B-Instruct", *SMALL],
        54.89,
        id="crux small7",
    ),
    pytest.param(CRUX, LARGE, 79.63, id="crux mid7"),
    pytest.param(("gsm8k_four_models", "number()", "numeric()"), FOUR, 48.2, id="gsm8k four"),
]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not FOLDER.is_dir(), reason="the folder shared/data is not beside this checkout"
    ),
]


@pytest.mark.parametrize(("kind", "members", "published"), POOLS)
def test_a_majority_vote_has_its_published_accuracy(kind, members, published, tmp_path, capsys):
    file, reader, by = kind
    data = FOLDER / f"{file}.jsonl.gz"
    (tmp_path / data.name).symlink_to(data)
    models = [f'model m{n} = recorded("{data.name}", "{m}")' for n, m in enumerate(members)]
    bank = f"[{', '.join(f'm{n}' for n in range(len(members)))}]"
    recipe = tmp_path / "r.ens"
    recipe.write_text("\n".join([*models, f"{bank} -> extract({reader}) -> vote(by = {by})\n"]))
    with pytest.raises(SystemExit) as left:
        main(["eval", str(recipe), "--data", str(tmp_path / data.name), "--json"])
    report = json.loads(capsys.readouterr().out)
    assert left.value.code in (0, None)
    assert 100 * report["ties"]["accuracy"] == pytest.approx(published, abs=0.1)


def test_the_guard_keeps_the_member_that_labels_choose_in_a_skewed_pool():
    """Of all 51 models, a vote is far below the best one, with 200 labels too."""
    data = FOLDER / "zeroeval_crux.jsonl.gz"
    with gzip.open(data, "rt", encoding="utf-8") as lines:
        names = sorted({name for line in lines for name in json.loads(line)["recorded"]})
    table = recorded_answers("guarded", str(data), tuple(names), labelled=True, read=False)
    compared = comparisons(table, Verbatim())
    rows = random.Random(0).sample(range(len(table.rows)), len(table.rows))
    known = table.taken(rows[:200])
    part = fitted_on(Guarded(of=LogOdds()), known, tuple(compared[at] for at in rows[:200]), 0)
    chosen, single = [], []
    for at in rows[200:]:
        row = table.rows[at]
        chosen.append(row.quality_of_choice(part.values(row.candidates, compared[at])))
        single.append(row.quality_of_member(known.best_member))
    assert sum(chosen) / len(chosen) >= sum(single) / len(single) - 0.005
