"""Weak labels: a label model learns from agreement alone whom to believe."""

import json
import random

import pytest

from composer.recipe import Recipe

MODELS = """
model A = fake(says = "yes")
model B = fake(says = "")
model C = fake(says = "no")
"""


@pytest.fixture
def unlabelled(tmp_path):
    """Rows without a truth: A and B nearly always agree, C says anything."""
    rng = random.Random(0)
    rows = []
    for at in range(120):
        truth = rng.choice(["yes", "no"])
        other = {"yes": "no", "no": "yes"}[truth]
        labels = {
            "A": truth if rng.random() < 0.95 else other,
            "B": truth if rng.random() < 0.95 else other,
            "C": rng.choice(["yes", "no"]),
        }
        recorded = {name: {"text": label} for name, label in labels.items()}
        rows.append({"id": f"r{at}", "query": f"text {at}", "recorded": recorded})
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def test_the_reliable_labeller_is_believed_though_another_abstains(unlabelled):
    """B abstains, so that A and C are one against one: a majority is a tie, the model knows A."""
    learned = f'{MODELS}[A, B, C] -> vote(reduce = dawid_skene(data = "{unlabelled}"))\n'
    for seed in range(4):
        with Recipe.load(learned, seed=seed).ready(cache=False) as ensemble:
            assert ensemble("Is it?").answer == "yes"
    with Recipe.load(f"{MODELS}[A, B, C] -> vote()\n").ready(cache=False) as ensemble:
        vote = next(e for e in ensemble("Is it?").trace.events if e.op == "vote")
    assert vote.notes["tie"] == ["yes", "no"]
    assert vote.notes["abstained"] == ["B"]
