"""Estimators on recorded answers of real models: better than chance, where there is a signal."""

from pathlib import Path

import numpy as np
import pytest

from composer.methods import PARTS, Choice
from composer.methods.estimators.base import Learned
from composer.methods.estimators.training_rows import labels, table

RECORDED = Path(__file__).parents[4] / "shared" / "data" / "recorded"
PAIR = {"hybrid"}
LAZY = {"bradley_terry", "elo", "knn", "mix"}
"""Those that compare a query with every row when it comes."""
EVERY = {n: p() for n, p in PARTS["estimator"].items() if issubclass(p, Learned)}


def recorded(name, models=None):
    path = RECORDED / f"{name}.jsonl.gz"
    if not path.exists():
        pytest.skip("the recorded answers are not beside this checkout")
    return labels(str(path), tuple(map(Choice, models or table(str(path)).models)))


def half_gain(part, train, test):
    """Return what the half with the largest gaps gains of the strong model, less the others."""
    mean = part.predict(part.fit(train, 0), test.asked).mean
    order = np.argsort(mean[:, 0] - mean[:, 1])
    gain = (test.quality[:, 1] - test.quality[:, 0])[order]
    half = len(gain) // 2
    return gain[:half].sum() - gain[half:].sum()


SLOWER = ("head", "factors", "irt")


@pytest.mark.parametrize(
    "name", ["recommend", "clusters", *(pytest.param(n, marks=pytest.mark.slow) for n in SLOWER)]
)
def test_finds_which_grade_school_sums_need_the_strong_model(name):
    found = recorded("routellm_gsm8k", ("mixtral-8x7b", "gpt-4"))
    rows = np.random.default_rng(0).permutation(len(found.queries))
    assert half_gain(EVERY[name], found.take(rows[:900]), found.take(rows[900:])) > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(EVERY) - PAIR))
def test_chooses_better_than_chance_among_eleven_models(name):
    train = recorded("routerbench_arc_challenge_train")
    test = recorded("routerbench_arc_challenge_test")
    part = EVERY[name]
    picks = part.predict(part.fit(train, 0), test.asked).mean.argmax(1)
    right = test.quality[np.arange(len(picks)), picks]
    assert np.nanmean(right) > np.nanmean(test.quality) + 0.08


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(EVERY))
def test_ten_thousand_rows_are_learnt_in_a_minute(name):
    import time

    found = recorded("routellm_mmlu", ("mixtral-8x7b", "gpt-4"))
    start = time.process_time()
    state = EVERY[name].fit(found, 0)
    assert time.process_time() - start < 60
    some = found.take(range(1000)).asked
    EVERY[name].predict(state, some[:1])
    start = time.process_time()
    EVERY[name].predict(state, some)
    assert time.process_time() - start < (1.0 if name in LAZY else 0.5)
