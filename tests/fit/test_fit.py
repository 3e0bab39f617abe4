"""`compose fit`: what is kept, how it is used, and when it is refused."""

import json

import pytest

from composer.compiler.fits import find_learners, fit_path
from composer.diagnostics import Mistakes
from composer.recipe import Recipe


def refused(call, *arguments, **options):
    with pytest.raises(Mistakes) as caught:
        call(*arguments, **options)
    return caught.value.diagnostics[0]


def planned(path):
    return Recipe.load(path).plan()


def test_what_learns_is_found_wherever_it_stands(desk):
    path = desk.recipe(by="mix(of = [linear(), knn(k = 3)])")
    learners = find_learners(Recipe.load(path).compiled.answer)
    assert [(each.option, each.part.name, each.names) for each in learners] == [
        ("by", "mix", ("A", "B"))
    ]


def test_a_fit_is_used_without_being_told(desk, rows):
    path = desk.recipe()
    assert planned(path).fits == ()
    desk.fit(path)
    (kept,) = planned(path).fits
    assert (kept.part, kept.rows, kept.data) == ("linear", 60, "rows.jsonl")
    with Recipe.load(path).ready() as ensemble:
        assert ensemble(rows[3]["query"]).answer == "alpha"
        assert ensemble(rows[2]["query"]).answer == "beta"


def test_without_data_and_fit_a_part_says_how_to_teach_it(desk):
    path = desk.recipe()
    found = refused(Recipe.load(path).ready)
    assert (found.code, found.message) == ("E509", f"`linear` in `{path}` is not fitted yet")
    assert f"run `compose fit {path} --data FILE`" in found.help


def test_the_same_data_and_seed_give_the_same_bytes(desk):
    path = desk.recipe(by="mix(of = [linear(), forest(trees = 5), knn()])")
    files = [fit_path(path), path.with_name("r.ens.fit.safetensors")]
    desk.fit(path, target=None)
    first = [file.read_bytes() for file in files]
    desk.fit(path, target=None)
    assert [file.read_bytes() for file in files] == first
    desk.fit(path, seed=1)
    assert [file.read_bytes() for file in files] != first


def test_a_part_that_was_changed_since_is_refused(desk):
    desk.fit(desk.recipe())
    found = refused(planned, desk.recipe(by="linear(c = 2)"))
    assert found.code == "E507"
    assert "these options of `linear` have changed: c" in found.message
    assert "compose fit" in found.help


def test_choices_that_were_changed_since_are_refused(desk):
    desk.fit(desk.recipe())
    text = desk.recipe().read_text().replace("[A, B]", "[A, C]").replace("model B", "model C")
    desk.recipe().write_text(text)
    found = refused(planned, desk.folder / "r.ens")
    assert found.code == "E507"
    assert "was fitted with the choices A, B; now they are A, C" in found.message


def test_data_that_were_changed_since_are_refused(desk, rows):
    path = desk.recipe()
    desk.fit(path)
    desk.rows(rows[:-1])
    found = refused(planned, path)
    assert found.code == "E507"
    assert "rows.jsonl has changed since" in found.message
    desk.data.rename(desk.folder / "gone.jsonl")
    text = path.read_text().replace("rows.jsonl", "gone.jsonl")
    path.write_text(text)
    assert len(planned(path).fits) == 1


def test_a_fit_of_another_recipe_is_refused(desk):
    other = desk.recipe(by="knn()", name="other.ens")
    desk.fit(other)
    path = desk.recipe()
    fit_path(path).write_bytes(fit_path(other).read_bytes())
    found = refused(planned, path)
    assert found.code == "E508"
    assert "made for another recipe: other.ens" in found.message


@pytest.mark.parametrize("text", ["", "{}", '{"version": 99}', "[1"])
def test_a_file_that_is_no_fit_is_refused(desk, text):
    path = desk.recipe()
    fit_path(path).write_text(text)
    assert refused(planned, path).code == "E507"


def test_arrays_that_vanish_while_it_runs_are_told(desk):
    path = desk.recipe()
    desk.fit(path)
    with Recipe.load(path).ready() as ensemble:
        path.with_name("r.ens.fit.safetensors").unlink()
        (result,) = ensemble.map(["add sum 1"])
    assert result.error.startswith("[E507] ")
    assert f"compose fit {path} --data FILE" in result.error


def test_answers_depend_on_what_was_learnt(desk, rows):
    path = desk.recipe()
    before = Recipe.load(path).fingerprint
    desk.fit(path)
    first = Recipe.load(path).fingerprint
    desk.rows(rows[:40])
    desk.fit(path)
    assert len({before, first, Recipe.load(path).fingerprint}) == 3


def test_a_recipe_without_anything_to_teach_is_refused(desk):
    found = refused(desk.fit, desk.recipe(by="length()"))
    assert found.code == "E509"
    assert "no part that can be fitted" in found.message
    assert "leave the `file` out" in found.help


def test_the_report_holds_both_kinds_of_folds(desk):
    report = desk.fit(desk.recipe()).manifest.entries[0].report
    assert report["shuffled"]["apgr"][0] > 0.6
    assert set(report) >= {"shuffled", "foreign", "shuffled_shrunk", "foreign_shrunk", "single"}
    low, high = report["shuffled"]["apgr"][1:]
    assert low <= report["shuffled"]["apgr"][0] <= high


def test_checking_a_fitted_recipe_touches_no_arrays(desk):
    import subprocess
    import sys

    path = desk.recipe()
    desk.fit(path)
    program = (
        "import sys\nfrom composer.cli import main\n"
        "try:\n    main(['check', sys.argv[1]])\nfinally:\n"
        "    assert 'numpy' not in sys.modules, 'numpy was imported'"
    )
    subprocess.run([sys.executable, "-c", program, str(path)], check=True, capture_output=True)


def test_json_tells_what_was_kept(desk):
    done = desk.fit(desk.recipe()).as_dict()
    assert json.loads(json.dumps(done))["entries"][0]["names"] == ["A", "B"]


@pytest.mark.parametrize("left", [None, 4, 100])
def test_arrays_that_are_missing_or_torn_are_found_before_anything_runs(desk, left):
    path = desk.recipe()
    arrays = desk.fit(path).path.with_name("r.ens.fit.safetensors")
    content = arrays.read_bytes()
    arrays.unlink()
    if left is not None:
        arrays.write_bytes(content[: len(content) - left])
    with pytest.raises(Mistakes, match=r"safetensors of the fit is missing") as caught:
        Recipe.load(path).plan()
    (one,) = caught.value.diagnostics
    assert one.code == "E507"
    assert f"compose fit {path} --data {desk.data}" in one.help
