"""What is known of models is read once for a recipe, and again where a file has changed."""

import json
import os
import shutil

import composer
from composer import zoo
from composer.backends.hf import HF

CASCADE = """
model M = recorded("r.jsonl", "m")
model A = fake()
cascade(M, A, accept = confidence > 0.5)
"""


def changed(file, text):
    """Write a file so that its time of change differs, however coarse the clock is."""
    before = file.stat().st_mtime_ns if file.exists() else 0
    file.write_text(text)
    os.utime(file, ns=(before + 10**9, before + 10**9))


def record(path, **answer):
    row = {"id": "q", "query": "Why?", "recorded": {"m": {"text": "so", **answer}}}
    changed(path / "r.jsonl", json.dumps(row) + "\n")


def codes(path):
    """Load a recipe whose cascade needs log-probabilities, and return its warnings' codes."""
    path.write_text(CASCADE)
    return [each.code for each in composer.load(path).check()]


def test_a_model_whose_configuration_changed_is_read_again(tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(zoo.folder("general-1"), folder)
    recipe = tmp_path / "r.ens"
    recipe.write_text('model M = hf("model")\nM\n')
    before = composer.load(recipe).plan().models[0].context
    config = json.loads((folder / "config.json").read_text())
    changed(folder / "config.json", json.dumps(config | {"max_position_embeddings": 77}))
    after = composer.load(recipe).plan().models[0].context
    assert (before != 77, after) == (True, 77)


def test_a_recording_that_changed_is_read_again(tmp_path):
    record(tmp_path)
    first = codes(tmp_path / "r.ens")
    record(tmp_path, logprob=-0.5)
    second = codes(tmp_path / "r.ens")
    record(tmp_path)
    assert (first, second, codes(tmp_path / "r.ens")) == (["W301"], [], ["W301"])


def test_a_card_is_read_once_for_a_recipe(tmp_path, monkeypatch):
    read = []
    card = HF.card
    monkeypatch.setattr(HF, "card", lambda self: read.append(self.path) or card(self))
    text = (
        f'model M = hf("{zoo.folder("general-1")}")\n[M, sample(M, 2)] -> rank(M, by = likely())\n'
    )
    composer.load(text + "  -> best()\n").plan()
    assert len(read) == 1
