"""What files of a user depend on: fingerprints, locks, fits, and how stale ones are refused."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import composer
from composer import zoo

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
GOLDEN = HERE / "golden" / "identities"
ROWS = HERE / "recipes" / "kept.jsonl"
LEARNERS = {
    "route": (
        'model M = recorded("kept.jsonl", "small", price = [1, 1])\n'
        'model N = recorded("kept.jsonl", "large")\n'
        "route(by = mix(of = [constant(), knn(k = 2), tagged()]), policy = gap()) -> [M, N]\n"
    ),
    "bandit": (
        'model M = recorded("kept.jsonl", "small")\nmodel N = recorded("kept.jsonl", "large")\n'
        "route(by = stateless_q(), policy = explore(epsilon = 0.2)) -> [M, N]\n"
    ),
}
LOCKED = (
    'model M = recorded("kept.jsonl", "small")\nmodel L = hf("model", dtype = fp32)\n'
    'model Z = zoo("maths", price = [1, 2])\nmodel F = fake(says = "7")\n'
    'model N = recorded("kept.jsonl", "large")\n'
    '[route(by = knn("kept.jsonl", k = 1)) -> [M, N], token_fuse(L, Z), F] -> vote()\n'
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with rows in it, where recipes are written and run."""
    shutil.copy(ROWS, tmp_path)
    shutil.copytree(zoo.folder("general-1"), tmp_path / "model")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_fingerprints_of_recipes_are_as_before(golden):
    paths = [
        path
        for folder in (ROOT / "recipes", HERE / "recipes")
        for path in sorted(folder.rglob("*.ens"))
        if path.name not in {"zoo.ens", "strategies.ens"}
    ]
    lines = []
    for path in paths:
        recipe = composer.load(path)
        prints = [each.fingerprint for each in (recipe, replace(recipe, seed=7))]
        lines.append(f"{path.relative_to(ROOT).as_posix()} {' '.join(prints)}")
    golden(GOLDEN / "fingerprints.txt", "\n".join(lines))


def test_a_lock_is_as_before(folder, compose, golden, portable):
    (folder / "r.ens").write_text(LOCKED)
    assert compose("plan", "r.ens", "--lock")[0] == 0
    golden(GOLDEN / "lock.json", portable((folder / "r.ens.lock").read_text()))


@pytest.mark.parametrize("name", LEARNERS)
def test_a_fit_is_as_before(name, folder, compose, pinned):
    (folder / "r.ens").write_text(LEARNERS[name])
    status, out, _ = compose("fit", "r.ens", "--data", "kept.jsonl", "--folds", 2, "--json")
    assert status == 0
    kept = json.loads((folder / "r.ens.fit.json").read_text())
    with_fit = composer.load("r.ens")
    pinned(GOLDEN / f"fit_{name}.jsonl", [kept, json.loads(out), with_fit.fingerprint])


def test_a_fit_and_a_lock_that_are_out_of_date_are_refused_as_before(
    folder, compose, golden, portable
):
    texts = {
        "fit.ens": (
            LEARNERS["route"],
            ["k = 2", "k = 3"],
            ["fit", "--data", "kept.jsonl", "--folds", "2"],
        ),
        "lock.ens": (LOCKED, ['"7"', '"8"'], ["plan", "--lock"]),
    }
    said = []
    for name, (text, change, make) in texts.items():
        path = folder / name
        path.write_text(text)
        assert compose(make[0], name, *make[1:])[0] == 0
        path.write_text(text.replace(*change))
        said.append(compose("run", name, "Add 3 and 4.", "--no-cache"))
        path.write_text(text)
    rows = (folder / "kept.jsonl").read_text()
    (folder / "kept.jsonl").write_text(rows.replace("rats", "tsar"))
    said += [compose("run", name, "Add 3 and 4.", "--no-cache") for name in texts]
    text = "\n".join(f"{status}\n{out}{err}" for status, out, err in said)
    golden(GOLDEN / "stale.txt", portable(text))


@pytest.mark.parametrize("change", ["nothing", "a comment", "a name", "an option", "a seed"])
def test_rows_of_another_recipe_are_refused_as_before(change, folder, compose, pinned):
    path = folder / "r.ens"
    text = "model A = fake(style = echo, confidence = 0.5)\nA(max_tokens = 3)\n"
    path.write_text(text)
    ask = ("run", "r.ens", "--no-cache", "--output", "rows.jsonl")
    first = compose(*ask, "Why not?")
    changes = {"a comment": ("A(", "# so\nA("), "a name": ("A", "E"), "an option": ("3", "4")}
    path.write_text(text.replace(*changes.get(change, ("", ""))))
    again = compose(*ask, "Why not?", "And how?", "--seed", int(change == "a seed"))
    rows = map(json.loads, (folder / "rows.jsonl").read_text().splitlines())
    pinned(GOLDEN / f"rows_{change.split()[-1]}.jsonl", [first, again, *rows])
