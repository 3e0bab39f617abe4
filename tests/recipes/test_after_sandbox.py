"""Recipes that run what models write, on answers worked by hand."""

import pytest

import composer
from composer.sandbox.process import missing_walls

pytestmark = pytest.mark.skipif(
    bool(missing_walls()), reason=f"this system cannot hold {sorted(missing_walls())}"
)


def answer(name, query=None, **settings):
    recipe = composer.load(f"after/{name}", **settings)
    with recipe.ready() as ensemble:
        return ensemble(query or recipe.example)


def test_examples_drop_the_careless_and_results_outvote_the_shallow():
    result = answer("tests_decide")
    verify, vote = (each for each in result.trace.events if each.op in {"verify", "vote"})
    assert verify.notes["passed"] == ["shallow", "plain", "wordy"]
    assert vote.notes["tally"] == pytest.approx(
        {
            "def double(n): return 2 * n": 2 / 3,
            "def double(n): return n + 2": 1 / 3,
        }
    )
    assert vote.notes["winner"] == "plain"


@pytest.mark.slow
def test_a_program_that_never_ends_abstains():
    result = answer("program_of_thought", seconds=1)
    assert result.answer == "17"
    assert result.trace.events[-1].notes["tally"] == {"17": 1.0}


def test_the_tests_decide_among_diverse_candidates():
    result = answer("diverse", tested_by="assert triple(3) == 6\nassert triple(0) == 3")
    assert result.answer == "def triple(n): return n + 3"
