"""Calibration: settings found on left-out rows do what was asked for."""

import numpy as np
import pytest

from composer.cli.fit_ import reached_line
from composer.diagnostics import Mistakes
from composer.fit.calibrate import Route, calibrate
from composer.fit.gains import foreign_losses, gains, verdict
from composer.fit.settings import Target
from composer.methods import Choice, Gap, One, Several, Threshold
from composer.methods.estimators.values import Labels, Predictions
from composer.recipe import Recipe

COUNT = 400
CHOICES = (Choice("weak", price=(1.0, 1.0)), Choice("strong", price=(10.0, 10.0)))
CHOICE_NAMES = ("weak", "strong")


@pytest.fixture(scope="module")
def known():
    """Return labels and predictions of rows whose gap is known up to noise."""
    rng = np.random.default_rng(0)
    ease = rng.random(COUNT)
    quality = np.stack([rng.random(COUNT) < ease, rng.random(COUNT) < 0.9], 1).astype(float)
    cost = np.tile([0.001, 0.01], (COUNT, 1))
    queries, tags = tuple(map(str, range(COUNT))), ((),) * COUNT
    labels = Labels(queries, tags, CHOICE_NAMES, quality, cost, np.full((COUNT, 2), 100.0))
    return labels, Predictions.of(np.stack([ease, np.full(COUNT, 0.9)], 1))


def calibrated(known, policy, target, choices=CHOICES):
    labels, found = known
    route = Route(policy, choices, labels, found, 0)
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
    assert "the possible values go from" in str(caught.value)


def test_ties_are_named_where_they_keep_a_share_from_being_met(known):
    labels, _ = known
    alike = np.tile([0.5, 0.6], (COUNT, 1))
    alike[:40, 1] = 0.9
    with pytest.raises(Mistakes, match="360 of 400 rows have the same estimate") as caught:
        calibrated((labels, Predictions.of(alike)), Gap(), "share=0.3")
    assert "use share=0.1 or 1" in str(caught.value)


def test_a_policy_without_a_tunable_option_is_an_error(known):
    with pytest.raises(Mistakes, match="`several` cannot be calibrated to a target") as caught:
        calibrated(known, Several(), "share=0.5")
    assert "these policies can: `threshold`, `gap`, `cheapest`, `one`" in str(caught.value)


def test_prices_that_are_all_the_same_leave_nothing_to_set(known):
    same = tuple(Choice(name, price=(1.0, 1.0)) for name in ("weak", "strong"))
    with pytest.raises(Mistakes, match="all choices cost the same") as caught:
        calibrated(known, One(), "share=0.5", same)
    assert [each.code for each in caught.value.diagnostics] == ["E509"]
    with pytest.raises(Mistakes, match="the cost of `weak`, `strong` is not known") as caught:
        calibrated(known, One(), "share=0.5", (Choice("weak"), Choice("strong")))
    assert [each.code for each in caught.value.diagnostics] == ["E511"]


@pytest.mark.parametrize(
    "text", ["share", "speed=1", "share=2", "cost=-1", "quality=x", "cost=nan"]
)
def test_a_target_that_is_none_is_refused(text):
    with pytest.raises(ValueError, match=r"target|between|number|more"):
        Target.read(text)


def test_a_calibrated_policy_is_used_and_planned(desk):
    path = desk.recipe()
    done = desk.fit(path, target=Target.read("share=0.5"))
    value = done.manifest.entries[0].calibrated.value
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


def test_what_a_setting_is_worth_is_told_beside_what_is_plain(desk):
    (entry,) = desk.fit(desk.recipe(), target=Target.read("share=0.5")).manifest.entries
    found = entry.report["at_target"]
    assert found["quality"][0] > 0.85
    assert found["over_single"][0] == pytest.approx(
        found["quality"][0] - entry.report["single"]["quality"], abs=1e-6
    )
    assert found["over_single"][1] > 0
    assert len(found["over_length"]) == 3
    over_single, over_length, *_ = verdict(entry.report)
    assert over_single.startswith("at this setting it beats the best single choice, B: +")
    assert "prompt length with the same shares: " in over_length


def test_a_verdict_goes_by_the_interval():
    there = {
        "over_single": [-0.2, -0.3, -0.1],
        "over_length": [0.1, -0.1, 0.2],
        "over_zero": [0.1, 0.05, 0.2],
    }
    sentences = verdict({"single": {"name": "B"}, "at_target": there})
    assert [each.removeprefix("at this setting it ") for each in sentences] == [
        "is worse than the best single choice, B: -20.0 points (-30.0 to -10.0)",
        "does not beat prompt length with the same shares: +10.0 points (-10.0 to +20.0)",
        "beats the zero-router at the same mean cost: +10.0 points (+5.0 to +20.0)",
    ]


def test_length_is_given_as_many_strong_calls_in_each_half():
    quality = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [0.0, 1.0]])
    cost = np.array([[1.0, 3.0], [1.0, np.nan], [1.0, 3.0], [1.0, 3.0]])
    labels = Labels(
        ("a", "aaaa", "aaa", "aa"), ((),) * 4, ("weak", "strong"), quality, cost, quality
    )
    found = gains(labels, np.array([0, 1, 0, 1]), [np.array([0, 1]), np.array([2, 3])], 0)
    assert found["quality"][0] == 0.75
    assert found["over_single"][0] == 0
    assert found["over_length"][0] == 0
    # Its mean cost, 2, buys each of the two half of the time.
    assert found["over_zero"][0] == pytest.approx(0.75 - (0.25 + 0.75) / 2)


def test_three_choices_are_held_against_length_too_and_costs_must_be_known():
    quality = np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0], [0.0, 0.0, 1.0]])
    unknown = np.full((3, 3), np.nan)
    labels = Labels(("aa", "a", "aaa"), ((),) * 3, ("A", "B", "C"), quality, unknown, unknown)
    found = gains(labels, np.array([0, 1, 2]), [np.arange(3)], 0)
    # By length "a" goes to A, "aa" to B and "aaa" to C, of which only the last is right.
    assert found["over_length"][0] == pytest.approx(1 - 1 / 3)
    assert "over_zero" not in found


def test_a_loss_on_tags_left_out_is_a_warning():
    report = {"single": {"name": "B"}, "foreign": {"gain": [-0.1, -0.2, 0.0]}}
    (said,) = foreign_losses(report)
    assert "is worse than always B: -0.100 (-0.200 to +0.000)" in said
    assert not list(foreign_losses({**report, "foreign_shrunk": {"gain": [0.0, 0.0, 0.0]}}))


def test_a_quality_that_was_missed_on_held_out_rows_is_called_so():
    line = "  reached on held-out rows: 0.92 [0.9, 0.94]"
    assert reached_line([0.92, 0.9, 0.94], "quality=0.93") == line + ", below the target"
    assert reached_line([0.92, 0.9, 0.94], "quality=0.92") == line
    assert reached_line([0.92, 0.9, 0.94], "share=0.95") == line
