"""`compose fit` teaches the gates and weights of a fuse, and runs use what they learnt."""

import json
from pathlib import Path
from typing import ClassVar

import pytest

import composer
from composer.diagnostics import Mistakes
from composer.fit.fitting import fit
from composer.fit.fuses import TEACHERS
from composer.fit.settings import FitSettings, nearest
from composer.methods import Gate
from composer.methods.fitted import TrainablePart
from composer.methods.gate import Critical

ZOO = Path(__file__).parents[2] / "composer" / "zoo"
RECIPE = """\
model general = zoo("general-1")
model large = zoo("large")
example "Add 17 and 25."
token_fuse(general, large, {options})
"""
OPTIONS = {
    "learned": "weigh = learned()",
    "critical": "weights = [0, 1], gate = critical()",
    "routed": "weights = [0, 1], gate = routed()",
}


@pytest.fixture
def written(tmp_path):
    """A recipe in a file, with questions and references beside it."""
    if not (ZOO / "models" / "large" / "model.safetensors").is_file():
        pytest.skip("the zoo has no model large")
    lines = (ZOO / "items" / "validation.jsonl").read_text(encoding="utf-8").splitlines()[::25]
    rows = [{k: json.loads(line)[k] for k in ("id", "query", "reference")} for line in lines]
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")

    def write(options):
        path = tmp_path / "fuse.ens"
        path.write_text(RECIPE.format(options=options), encoding="utf-8")
        return path, data

    return write


@pytest.mark.parametrize("name", OPTIONS)
def test_fit_teaches_and_runs_use_it(written, name):
    path, data = written(OPTIONS[name])
    with pytest.raises(Mistakes, match=f"`{name}` in .* is not fitted yet"):
        composer.load(path).ready()
    done = fit(FitSettings(composer.load(path), data))
    (entry,) = done.manifest.entries
    assert entry.names == ("general", "large")
    assert entry.report["right"]["general"] > 0.5  # read with the space that answers begin with
    with composer.load(path).ready() as ensemble:
        assert ensemble("Add 17 and 25.").answer == "42"


PARTS = [*OPTIONS.values(), "weigh = expert()", "align = mapped()"]


@pytest.mark.parametrize("option", PARTS)
def test_a_part_without_a_fit_is_found_before_a_model_is_loaded(option, monkeypatch):
    monkeypatch.setattr("composer.engine.engine.load", None)
    with pytest.raises(Mistakes, match="is not fitted yet"):
        composer.load(RECIPE.format(options=option)).ready()


def test_a_mapping_is_taught_by_the_members_alone(written):
    path, data = written("align = mapped()")
    path.write_text(path.read_text(encoding="utf-8").replace('"large"', '"other"'))
    assert (
        fit(FitSettings(composer.load(path), data)).manifest.entries[0].report["tokens"]["large"]
        > 100
    )
    with composer.load(path).ready() as ensemble:
        assert ensemble("Add 17 and 25.").answer


def test_a_part_with_a_file_is_left_as_it_is(written):
    shipped = Path(__file__).parents[2] / "recipes" / "token" / "citer.safetensors"
    path, data = written('weights = [0, 1], gate = routed(file = "citer.safetensors")')
    (path.parent / "citer.safetensors").write_bytes(shipped.read_bytes())
    with pytest.raises(Mistakes, match="has no part that can be fitted"):
        fit(FitSettings(composer.load(path), data))


def test_rows_without_references_teach_nothing(written):
    path, data = written(OPTIONS["critical"])
    data.write_text('{"query": "Add 17 and 25."}\n', encoding="utf-8")
    with pytest.raises(Mistakes, match="has no references"):
        fit(FitSettings(composer.load(path), data))


def test_a_part_that_nobody_teaches_is_said():
    class Rare(Gate, TrainablePart):
        """A gate of another package."""

        name: ClassVar[str] = "rare"
        opens = Critical.opens

    with pytest.raises(Mistakes, match="`rare` cannot be fitted"):
        nearest(TEACHERS, Rare())


def test_a_part_is_taught_like_those_that_it_is_one_of():
    class Sterner(Critical):
        """A stricter classifier."""

    assert nearest(TEACHERS, Sterner()) is TEACHERS[Critical]
