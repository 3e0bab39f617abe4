"""A fit that somebody else wrote never crashes, hangs or ends in another library's words."""

import json
import random
import shutil
import time

import numpy as np
import pytest
from safetensors.numpy import load, save

from composer.compiler.fits import arrays_path, fit_path
from composer.compiler.fits.manifest import content_of
from composer.diagnostics import Mistakes
from composer.methods import parts
from composer.methods.estimators.base import Learned
from composer.recipe import Recipe
from composer.run import Failure
from composer.values import State

OPTIONS = {
    "knn": "k = 3",
    "forest": "trees = 5",
    "mix": "of = [linear(), knn(k = 3)]",
    "head": "steps = 5",
    "encoder": "steps = 5",
    "hybrid": "steps = 5",
    "factors": "steps = 5",
    "irt": "steps = 5",
    "contrastive": "steps = 5",
    "meta": "steps = 5",
}
ESTIMATORS = sorted(
    name for name, kind in parts()["estimator"].items() if issubclass(kind, Learned)
)
SECOND = 1.0


def fitted(desk, name):
    """Fit a recipe with an estimator; return its path."""
    path = desk.recipe(by=f"{name}({OPTIONS.get(name, '')})", policy="one()")
    desk.fit(path)
    return path


def asked(path):
    """Plan and ask a recipe; return its answer, or the code of what is wrong with it."""
    try:
        recipe = Recipe.load(path)
        recipe.plan()
        with recipe.ready(cache=False) as ensemble:
            ensemble.decide(["add sum 3", "word", "", "sum times 9"])
            return ensemble({"id": "q1", "query": "sum add 1"}).answer
    except Mistakes as found:
        return found.diagnostics[0].code
    except Failure as found:
        return found.code if found.code[:2] == "E5" else str(found)


def arrays_of(path):
    return {
        name: array.copy() for name, array in load(arrays_path(fit_path(path)).read_bytes()).items()
    }


def write(path, arrays, kept=None):
    """Write arrays, with the digests that belong to them, as somebody would who means harm."""
    place = fit_path(path)
    kept = json.loads(place.read_text()) if kept is None else kept
    for at, entry in enumerate(kept["entries"]):
        states = {name: {} for name in entry["facts"]}
        for whole, array in arrays.items():
            owner, name, key = whole.split("/", 2)
            if owner == str(at) and name in states:
                states[name][key] = array
        entry["content"] = content_of({name: State(each) for name, each in states.items()})
    place.write_text(json.dumps(kept))
    arrays_path(place).write_bytes(save(arrays))


def change(array, luck):
    """Return an array that training would not have made."""
    way = luck.randrange(8)
    flat = array.reshape(-1)
    if way == 0:
        return array[: len(array) // 2] if array.ndim else array
    if way == 1:
        return np.ascontiguousarray(array.T[::-1]) if array.ndim > 1 else array[::-1].copy()
    if way == 2:
        return array.astype(luck.choice([np.float64, np.int64, np.uint8, np.int32, np.float16]))
    if way == 3:
        return np.zeros((0, *array.shape[1:]), array.dtype)
    if way == 4:
        return np.ascontiguousarray(np.stack([array, array]))
    if array.dtype.kind == "f":
        values = [np.nan, np.inf, -np.inf, 3e38, -1e30]
    else:
        values = [np.iinfo(array.dtype).max, np.iinfo(array.dtype).min, len(flat), 0]
    for at in [luck.randrange(len(flat)) for _ in range(3)] if len(flat) else []:
        flat[at] = np.array(luck.choice(values)).astype(array.dtype)
    return array


def leaves(value, place=()):
    """Yield where the values of a JSON document stand."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, each in list(pairs):
        yield (*place, key)
        if isinstance(each, dict | list):
            yield from leaves(each, (*place, key))


def change_facts(kept, luck):
    """Change something that a fit says of itself."""
    place = luck.choice(list(leaves(kept)))
    found = kept
    for step in place[:-1]:
        found = found[step]
    values = [None, "x", -1, 10**12, 1e308, [], {}, True, 0.5, ["a"], {"a": {}}, "\ud800"]
    if luck.random() < 0.2 and isinstance(found, dict):
        del found[place[-1]]
    else:
        found[place[-1]] = luck.choice(values)


SPOILT = {
    "knn": [
        ("rows.indices", lambda a: np.full_like(a, 10**9)),
        ("rows.indices", lambda a: np.full_like(a, -1)),
        ("rows.indptr", lambda a: a + 10**6),
        ("rows.indptr", lambda a: a[::-1].copy()),
        ("rows.data", lambda a: a[:1]),
        ("features.0.words.terms", lambda a: np.full_like(a, 255)),
        ("features.0.words.idf", lambda a: a[:2]),
    ],
    "forest": [
        ("trees.left", lambda a: np.full_like(a, 10**8)),
        ("trees.left", np.zeros_like),
        ("trees.right", lambda a: np.roll(a, 1)),
        ("trees.starts", lambda a: a - 5),
        ("trees.feature", lambda a: np.full_like(a, 10**8)),
        ("trees.value", lambda a: a[:, :1]),
        ("trees.threshold", lambda a: a * np.nan),
    ],
    "linear": [
        ("models.weights", lambda a: a[:-1]),
        ("models.weights", lambda a: a * np.inf),
        ("models.bias", lambda a: np.full_like(a, np.nan)),
        ("models.bias", lambda a: a[:1]),
    ],
}


@pytest.mark.parametrize("name", SPOILT)
def test_arrays_that_lead_nowhere_are_refused(desk, name):
    path = fitted(desk, name)
    good = arrays_of(path)
    for key, spoil in SPOILT[name]:
        write(path, {**good, f"0/state/{key}": np.ascontiguousarray(spoil(good[f"0/state/{key}"]))})
        assert asked(path) == "E507", key
    write(path, good)
    assert asked(path) == "alpha"


def test_a_guard_that_leads_nowhere_is_refused(desk):
    path = fitted(desk, "linear")
    good = arrays_of(path)
    (key,) = (each for each in good if each.startswith("0/guard") and each.endswith("indices"))
    write(path, {**good, key: np.full_like(good[key], 10**9)})
    assert asked(path) == "E507"


def test_a_tree_that_is_too_deep_is_refused(desk):
    path = fitted(desk, "forest")
    size = 5000
    own = np.arange(size, dtype=np.int32)
    chain = {
        "starts": own[:1],
        "left": np.minimum(own + 1, size - 1),
        "right": np.where(own == size - 1, own, size - 1).astype(np.int32),
        "feature": np.zeros_like(own),
        "threshold": np.full(size, 1e9, np.float32),
        "value": np.zeros((size, 2), np.float32),
    }
    trees = {f"0/state/trees.{key}": array for key, array in chain.items()}
    write(path, arrays_of(path) | trees)
    assert asked(path) == "E507"


def test_numbers_that_are_not_those_of_the_fit_are_refused(desk):
    path = fitted(desk, "constant")
    arrays = arrays_of(path)
    arrays["0/state/mean"] = arrays["0/state/mean"][::-1].copy()
    arrays_path(fit_path(path)).write_bytes(save(arrays))
    assert asked(path) == "E507"


@pytest.mark.parametrize(
    ("name", "value"),
    [("option", "nonsense"), ("value", -5.0), ("value", "NaN"), ("value", 1e400), ("option", "")],
)
def test_a_calibration_that_the_policy_does_not_have_is_refused(desk, name, value):
    path = desk.recipe(policy="gap()")
    desk.fit(path, target=None)
    place = fit_path(path)
    kept = json.loads(place.read_text())
    known = {"policy": None, "option": "at", "value": 0.1, "target": "x"}
    kept["entries"][0]["calibrated"] = known | {name: value}
    place.write_text(json.dumps(kept))
    assert asked(path) in ("E507", "E508")


@pytest.mark.slow
@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_fit_that_was_changed_at_random_never_crashes(desk, name, tmp_path):
    path = fitted(desk, name)
    files = [fit_path(path), arrays_path(fit_path(path))]
    for file in files:
        shutil.copy(file, tmp_path / f"{file.name}.good")
    assert asked(path) in ("alpha", "beta")
    luck = random.Random(name)
    for _ in range(12):
        for file in files:
            shutil.copy(tmp_path / f"{file.name}.good", file)
        arrays, kept = arrays_of(path), json.loads(files[0].read_text())
        if luck.random() < 0.6:
            key = luck.choice(sorted(arrays))
            arrays[key] = np.ascontiguousarray(change(arrays[key], luck))
        else:
            change_facts(kept, luck)
        try:
            write(path, arrays, kept)
        except (KeyError, TypeError, AttributeError):  # it is no fit any more; so be it
            files[0].write_text(json.dumps(kept))
        began = time.process_time()
        found = asked(path)
        assert found in ("alpha", "beta") or found[:2] == "E5", found
        assert time.process_time() - began < SECOND
