"""Calibration: settings found on left-out rows do what was asked for."""

import numpy as np
import pytest

from composer.learn.calibrate import Route, calibrate
from composer.learn.lesson import Target
from composer.parts import Choice, Gap, One, Several, Threshold
from composer.parts.estimators.base import Labels, Predictions
from composer.recipe import Recipe
from composer.words import Mistakes

COUNT = 400
CHOICES = (Choice("weak", price=1.0), Choice("strong", price=10.0))


@pytest.fixture(scope="module")
def known():
    """Return labels and predictions of rows whose gap is known up to noise."""
    rng = np.random.default_rng(0)
    ease = rng.random(COUNT)
    quality = np.stack([rng.random(COUNT) < ease, rng.random(COUNT) < 0.9], 1).astype(float)
    cost = np.tile([0.001, 0.01], (COUNT, 1))
    labels = Labels(
        ("?",) * COUNT, ((),) * COUNT, ("weak", "strong"), quality, cost, np.full((COUNT, 2), 100.0)
    )
    return labels, Predictions.of(np.stack([ease, np.full(COUNT, 0.9)], 1))


def calibrated(known, policy, target):
    labels, found = known
    route = Route(policy, CHOICES, labels, found, 0)
    setting, reached = calibrate(route, policy, Target.read(target))
    tried = route.outcomes(policy.model_copy(update={setting.option: setting.value}))
    return tried, reached["reached"]


@pytest.mark.parametrize("policy", [Gap(), Threshold(), One()])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_a_share_of_strong_calls_is_met(known, policy, share):
    tried, (mean, low, high) = calibrated(known, policy, f"share={share}")
    assert tried.share.mean() == pytest.approx(share, abs=0.011)
    assert low <= mean <= high
    assert low - 0.02 <= share <= high + 0.02


def test_a_mean_cost_is_not_exceeded(known):
    tried, _ = calibrated(known, Gap(), "cost=0.004")
    assert tried.cost.mean() <= 0.004
    assert tried.cost.mean() > 0.0035


def test_a_quality_is_reached_for_little(known):
    tried, _ = calibrated(known, Gap(), "quality=0.8")
    assert tried.quality.mean() >= 0.8
    assert tried.cost.mean() < 0.007


def test_a_quality_that_nothing_reaches_is_an_error(known):
    with pytest.raises(Mistakes, match=r"no setting of `gap` reaches quality=0\.99") as caught:
        calibrated(known, Gap(), "quality=0.99")
    assert "it goes from" in str(caught.value)


def test_ties_are_named_where_they_keep_a_share_from_being_met(known):
    labels, _ = known
    alike = np.tile([0.5, 0.6], (COUNT, 1))
    alike[:40, 1] = 0.9
    with pytest.raises(Mistakes, match="360 of 400 rows have equal estimates") as caught:
        calibrated((labels, Predictions.of(alike)), Gap(), "share=0.3")
    assert "ask for share=0.1 or 1" in str(caught.value)


def test_a_policy_without_a_lever_is_an_error(known):
    with pytest.raises(Mistakes, match="`several` has nothing that could be set"):
        calibrated(known, Several(), "share=0.5")


@pytest.mark.parametrize(
    "text", ["share", "speed=1", "share=2", "cost=-1", "quality=x", "cost=nan"]
)
def test_a_target_that_is_none_is_refused(text):
    with pytest.raises(ValueError, match=r"target|between|number|more"):
        Target.read(text)


def test_a_calibrated_policy_is_used_and_planned(desk):
    path = desk.recipe()
    done = desk.fit(path, target=Target.read("share=0.5"))
    value = done.kept.entries[0].calibrated.value
    plan = Recipe.load(path).plan()
    assert plan.fits[0].calibrated == {"option": "at", "value": value, "target": "share=0.5"}
    route = next(step for step in plan.steps if step.op == "route")
    assert [o.value for o in route.options if o.name == "policy"] == [f"gap(at = {value:g})"]


def test_a_policy_that_was_changed_since_is_refused(desk):
    desk.fit(desk.recipe(), target=Target.read("share=0.5"))
    with pytest.raises(Mistakes, match="calibrated for another policy") as caught:
        Recipe.load(desk.recipe(policy="gap(at = 0.5)")).plan()
    assert "--target share=0.5" in str(caught.value)


def test_a_default_policy_can_be_calibrated_too(desk):
    text = desk.recipe().read_text().replace(", policy = gap()", "")
    path = desk.folder / "r.ens"
    path.write_text(text.replace('"alpha")', '"alpha", price = [1, 1])'))
    path.write_text(path.read_text().replace('"beta")', '"beta", price = [9, 9])'))
    desk.fit(path, target=Target.read("share=0.3"))
    route = next(step for step in Recipe.load(path).plan().steps if step.op == "route")
    assert any(o.name == "policy" and o.value.startswith("one(cost") for o in route.options)
