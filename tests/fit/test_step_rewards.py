"""`step_reward`: features by hand, a fit that tells right steps from wrong ones, its report."""

import asyncio
import json
import math

import pytest

from composer.backends.fake import Fake
from composer.diagnostics import Mistakes
from composer.fit.fitting import fit
from composer.fit.settings import FitSettings
from composer.methods.rewards.base import PartialAnswer, Partials
from composer.methods.rewards.learned import FEATURES, StepHead, step_features
from composer.recipe import Recipe
from composer.specs import Declared
from composer.values import Fitted, Query, Score


def score(*logprobs):
    return Score(tuple("x" for _ in logprobs), logprobs)


def test_features_of_a_step_by_hand():
    partial = PartialAnswer(("7+5=12\n", "7+5=12\n"), over=True)
    features = dict(
        zip(FEATURES, step_features(partial, [score(-1.0, -3.0), score(-4.0)]), strict=True)
    )
    assert features == pytest.approx(
        {
            "mean": -3.0,  # (-2 - 4) / 2
            "worst_writer": -4.0,
            "spread": 2.0,
            "rarest": -3.5,
            "rarest_of_all": -4.0,
            "tokens": math.log(3),
            "letters": math.log(8),
            "place": 2.0,
            "over": 1.0,
            "repeated": 1.0,
        }
    )


def test_no_feature_is_infinite():
    features = step_features(PartialAnswer(("",)), [score(-math.inf), score()])
    assert all(map(math.isfinite, features))


def test_the_fit_prefers_likely_steps_where_these_were_right():
    likely = step_features(PartialAnswer(("a\n",)), [score(-0.1)])
    unlikely = step_features(PartialAnswer(("a\n",)), [score(-5.0)])
    head = StepHead()
    state = head.fit([likely, unlikely] * 8, [1.0, 0.0] * 8)
    good, bad = head.probabilities(state, [likely, unlikely])
    assert bad < 0.2
    assert good > 0.8

    class Told:
        async def many(self, requests):
            return [(score(-0.1 if "good" in each.texts[0] else -5.0),) for each in requests]

        async def compute(self, function):
            return function()

    partials = [PartialAnswer(("good\n",)), PartialAnswer(("bad!\n",))]
    bound = head.bound(Fitted.of(("A",), 16, state=state))
    writers = [Declared("A", Fake())]
    asked = Partials(Query.of("Why?"), partials, writers)
    first, second = asyncio.run(bound.rewards(asked, Told()))
    assert first > second


RECIPE = """
use "zoo.ens" (text, tune_text)
process_fuse(tune_text, text, reward = step_reward(), search = beam(width = 2, draws = 2))
"""


@pytest.fixture
def saved(tmp_path):
    """A recipe in a file, and questions about chains of arithmetic."""
    (tmp_path / "r.ens").write_text(RECIPE)
    rows = [
        {"id": str(n), "query": f"Start with {n}, add 5, times 2.", "reference": str((n + 5) * 2)}
        for n in range(3, 9)
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def test_a_recipe_must_be_fitted_before_it_runs(saved):
    with pytest.raises(Mistakes, match="is not fitted yet"):
        Recipe.load(saved / "r.ens").ready()


def test_compose_fit_learns_from_references_alone(saved):
    recipe = Recipe.load(saved / "r.ens")
    outcome = fit(FitSettings(recipe, saved / "rows.jsonl", folds=3))
    (entry,) = outcome.manifest.entries
    assert 0 < entry.report["good"] < 1
    assert entry.report["steps"] > 12
    assert 0 <= entry.report["held_out"]["auc"] <= 1
    with Recipe.load(saved / "r.ens").ready() as ensemble:
        assert ensemble("Start with 9, add 5, times 2.").answer


def test_too_few_rows_are_refused(saved):
    file = saved / "rows.jsonl"
    file.write_text(file.read_text().splitlines()[0])
    with pytest.raises(Mistakes, match="1 row with a reference are too few"):
        fit(FitSettings(Recipe.load(saved / "r.ens"), file, folds=3))
