"""What decides in a cascade is fitted on what every stage answers, and used from then on."""

import json
import math
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
from cascade_rows import drawn

from composer.cli import main
from composer.diagnostics import Mistakes
from composer.fit.cascade_gains import Baselines, cascade_gains
from composer.fit.decisions import cascade_outcomes
from composer.fit.fitting import fit
from composer.fit.settings import FitSettings, Target
from composer.methods import parts
from composer.methods.cascade_replay import replayed_outcomes
from composer.methods.estimators.folds import shuffled
from composer.methods.estimators.values import Predictions
from composer.methods.post_hoc.base import AfterAnswers
from composer.methods.signals.base import Signal
from composer.methods.signals.learned import LearnedSignal
from composer.methods.signals.measured import Confidence
from composer.recipe import Recipe
from composer.values import State

MODELS = """\
model Small = endpoint("small", url = "http://localhost:9/v1")
model Mid = endpoint("mid", url = "http://localhost:9/v1")
model Big = endpoint("big", url = "http://localhost:9/v1")
"""
STAGES = {"small": (0.5, 0.001), "mid": (0.7, 0.003), "big": (0.9, 0.01)}


class Bins(LearnedSignal):
    """How often answers of such a probability were right: above one half or not."""

    name: ClassVar[str] = "bins"
    limits: ClassVar[tuple[float, float]] = (0.0, 1.0)

    @property
    def signals(self):
        return (Confidence(),)

    def fit(self, table, seed):
        del seed
        high = table.signal("confidence") >= 0.5
        means = [table.quality[high].mean(), table.quality[~high].mean()]
        return State({"means": np.array(means)}, {"part": self.name, "names": list(table.names)})

    def values(self, state, cascades):
        high, low = state.arrays["means"].tolist()
        latest = [each.answers[each.latest].signals["confidence"] for each in cascades]
        return [high if value >= 0.5 else low for value in latest]


class Probable(AfterAnswers):
    """An answer is as good as it is probable; a stage without one as good as in the mean."""

    name: ClassVar[str] = "probable"
    of: Signal = Bins()

    @property
    def signals(self):
        return (self.of,)

    def fit(self, table, seed):
        del seed
        facts = {"part": self.name, "names": list(table.names)}
        return State({"mean": table.quality.mean(0)}, facts)

    def predict(self, state, cascades):
        mean = np.tile(state.arrays["mean"], (len(cascades), 1))
        for at, each in enumerate(cascades):
            for stage, answer in each.answers.items():
                mean[at, stage] = answer.signals["bins"]
        return Predictions.of(mean)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Rows of three models that are right in so many of a hundred cases, and mostly know when."""
    monkeypatch.setitem(parts()["signal"], "bins", Bins)
    monkeypatch.setitem(parts()["estimator"], "probable", Probable)
    rng = np.random.default_rng(0)
    rows = []
    for at in range(120):
        recorded = {}
        for name, (share, cost) in STAGES.items():
            right = bool(rng.random() < share)
            sure = (0.6 if right == (rng.random() < 0.9) else 0.1) + 0.3 * rng.random()
            text = f"{name} {at}"
            recorded[name] = {"text": text, "correct": right, "logprob": math.log(sure)}
            recorded[name]["cost"] = cost
        rows.append({"id": f"q{at}", "query": f"question {at}", "recorded": recorded})
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def fitted(folder, cascade, target=None):
    """Fit a cascade and return its outcome, with the recipe as it is loaded afterwards."""
    path = folder / "r.ens"
    path.write_text(f"{MODELS}{cascade}\n")
    aim = None if target is None else Target.read(target)
    outcome = fit(FitSettings(Recipe.load(path), folder / "rows.jsonl", target=aim))
    return outcome, Recipe.load(path)


def replayed(recipe, folder):
    """Return the recipe whose models answer as they were recorded, and ask the first question."""
    path = folder / "s.ens"
    text = recipe.path.read_text()
    for name in STAGES:
        text = text.replace(
            f'endpoint("{name}", url = "http://localhost:9/v1")',
            f'recorded("rows.jsonl", "{name}")',
        )
    path.write_text(text)
    for end in (".fit.json", ".fit.safetensors"):
        written = (folder / f"r.ens{end}").read_bytes().replace(b'"r.ens"', b'"s.ens"')
        (folder / f"s.ens{end}").write_bytes(written)
    with Recipe.load(path).ready() as ensemble:
        results = [ensemble(f"question {at}") for at in range(8)]
    return [step["stages"] for result in results for step in noted(result)]


def noted(result):
    return [event.notes for event in result.trace.events if "stages" in event.notes]


@pytest.mark.parametrize(
    ("cascade", "parts_fitted"),
    [
        ("cascade(Small, Mid, Big, accept = thresholds())", ["thresholds"]),
        ("cascade(Small, Mid, Big, accept = bins() >= 0.5 and length < 400)", ["bins"]),
        ("cascade(Small, Mid, Big, by = probable())", ["bins", "probable"]),
        ("cascade(Small, Mid, Big, by = knn())", ["knn"]),
        ("Small -> cascade(Mid, Big, accept = thresholds(of = bins()))", ["bins", "thresholds"]),
    ],
)
def test_what_decides_is_fitted_on_recorded_rows_and_used(folder, cascade, parts_fitted):
    outcome, recipe = fitted(folder, cascade)
    assert [entry.part["name"] for entry in outcome.manifest.entries] == parts_fitted
    assert all(entry.names == ("Small", "Mid", "Big") for entry in outcome.manifest.entries)
    stages = replayed(recipe, folder)
    assert stages
    assert all(each[0]["accepted"] in (True, False) for each in stages)


@pytest.mark.parametrize(
    ("decides", "target", "reached"),
    [
        ("accept = thresholds()", "cost=0.005", (0, 0.0055)),
        pytest.param("accept = thresholds()", "quality=0.85", (0.8, 1), marks=pytest.mark.slow),
        ("accept = thresholds(of = bins())", "share=0.3", (0.2, 0.4)),
        ("by = probable()", "cost=0.005", (0, 0.0055)),
        pytest.param(
            "by = probable(), policy = threshold()",
            "quality=0.8",
            (0.75, 1),
            marks=pytest.mark.slow,
        ),
        pytest.param("by = linear()", "quality=0.6", (0.5, 1), marks=pytest.mark.slow),
    ],
)
def test_a_target_is_reached_on_rows_that_were_left_out(folder, decides, target, reached):
    outcome, _ = fitted(folder, f"cascade(Small, Mid, Big, {decides})", target)
    entry = outcome.manifest.entries[-1]
    low, high = reached
    assert low <= entry.report["reached"][0] <= high
    assert entry.calibrated.target == target
    assert {"over_single", "over_zero", "over_probability", "over_router"} <= set(
        entry.report["at_target"]
    )


@pytest.mark.parametrize("target", ["share=0", "share=1"])
def test_a_cascade_that_always_takes_one_stage_is_worth_that_stage(folder, target):
    rows = [json.loads(line) for line in (folder / "rows.jsonl").read_text().splitlines()]
    for at, row in enumerate(rows):
        for answer in row["recorded"].values():
            answer["cost"] *= 1 + at % 2
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    outcome, _ = fitted(folder, "cascade(Small, Big, accept = thresholds())", target)
    entry = outcome.manifest.entries[-1]
    assert entry.report["reached"] == [float(target[-1])] * 3
    assert entry.report["at_target"]["over_zero"] == pytest.approx([0, 0, 0], abs=1e-9)


def test_the_command_says_what_a_cascade_is_worth(folder, capsys):
    path = folder / "r.ens"
    path.write_text(f"{MODELS}cascade(Small, Mid, Big, accept = thresholds(reorder = true))\n")
    with pytest.raises(SystemExit) as left:
        main(["fit", str(path), "--data", str(folder / "rows.jsonl"), "--target", "cost=0.006"])
    printed = capsys.readouterr().out
    assert left.value.code in (0, None)
    assert "thresholds(cost = 0.006) for cost=0.006" in printed
    assert "one threshold on the probability of the answer" in printed.replace("\n    ", " ")
    assert "if confidence >= " in printed


@pytest.mark.parametrize(
    ("cascade", "target", "message"),
    [
        ("cascade(Small, Big, accept = thresholds())", "cost=0.0001", "no thresholds .* reach"),
        ("cascade(Small, Big, accept = thresholds(of = agreement))", None, "not known of any"),
        ("cascade(Small, Big, by = probable())", "quality=1", "no setting"),
        ("cascade(Small, Big, accept = bins() >= 0.5)", "cost=0.001", "has no target"),
    ],
)
def test_what_cannot_be_fitted_says_why(folder, cascade, target, message):
    with pytest.raises(Mistakes, match=message):
        fitted(folder, cascade, target)


def test_a_smaller_signal_may_mean_a_better_answer(folder):
    """Texts are longer where answers are worse."""
    path = folder / "rows.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows:
        for answer in row["recorded"].values():
            answer["text"] += "!" * (30 - 20 * answer["correct"])
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    outcome, _ = fitted(folder, "cascade(Small, Big, accept = thresholds(of = length))")
    assert any(note.startswith("Small if length <= ") for note in outcome.notes)
    assert outcome.manifest.entries[0].report["at_target"]["quality"][0] > 0.93


def test_what_is_read_after_the_cascade_is_graded(tmp_path):
    """The cascade decides on whole texts, which are longer where they are wrong."""
    rows = []
    for at in range(60):
        small = "Yes, so I say up" if at % 2 else "This is hard to say, so I say down"
        recorded = {
            "small": {"text": small, "cost": 0.001},
            "big": {"text": "Let me see, I say up", "cost": 0.01},
        }
        rows.append({"query": f"Where is {at}?", "reference": "up", "recorded": recorded})
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    decides = "accept = thresholds(of = length, quality = 1)"
    read = 'extract(pattern("I say ([a-z]+)"))'
    outcome, _ = fitted(tmp_path, f"cascade(Small, Big, {decides}) -> {read}")
    assert outcome.manifest.entries[0].report["at_target"]["quality"][0] == 1
    assert any(note.startswith("Small if length <= ") for note in outcome.notes)


def test_a_route_learns_of_branches_that_are_worked_out_from_records(folder):
    """The cascade in a branch is fitted before the route, and the vote replays."""
    route = """\
route(by = linear()) -> [
  lazy: cascade(Small, Big, accept = thresholds()),
  all: [Small, Mid, Big] -> vote(),
  Small
]"""
    outcome, _ = fitted(folder, route)
    entries = {entry.part["name"]: entry for entry in outcome.manifest.entries}
    assert entries["linear"].names == ("lazy", "all", "Small")
    assert entries["linear"].report["complete"] == 120
    costs = entries["linear"].report["costs"]
    assert costs["Small"] < costs["lazy"] < costs["all"] == pytest.approx(0.014)


def test_a_vote_learns_from_records_of_models_that_cannot_be_asked(folder):
    outcome, _ = fitted(folder, "[Small, Mid, Big] -> vote(reduce = log_odds(choices = 4))")
    assert outcome.manifest.entries[0].rows == 120


def test_rows_that_nobody_answers_are_the_cause_not_their_number(folder):
    """The models replay a file that lacks the rows of the fit."""
    recipe = MODELS
    for name in STAGES:
        recorded = f'recorded("rows.jsonl", "{name}")'
        recipe = recipe.replace(f'endpoint("{name}", url = "http://localhost:9/v1")', recorded)
    rows = [{"id": f"n{at}", "query": f"new {at}", "reference": "a"} for at in range(20)]
    (folder / "new.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    path = folder / "r.ens"
    path.write_text(f"{recipe}cascade(Small, Big, accept = thresholds())\n")
    with pytest.raises(Mistakes, match=r"no stage answered 20 rows of 20, first n0: .* attempt"):
        fit(FitSettings(Recipe.load(path), folder / "new.jsonl"))


def test_a_stage_without_records_is_named(folder):
    path = folder / "r.ens"
    path.write_text(MODELS.replace('"mid"', '"middle"').replace("Mid", "Middle"))
    path.write_text(path.read_text() + "cascade(Small, Middle, Big, accept = thresholds())\n")
    with pytest.raises(Mistakes, match="no recorded answer of `Middle`") as caught:
        fit(FitSettings(Recipe.load(path), folder / "rows.jsonl"))
    assert "`mid`" in caught.value.diagnostics[0].help


@pytest.mark.parametrize("dollars", [0.0, 0.002, math.nan])
def test_always_the_best_stage_is_worth_no_more_than_itself(dollars):
    """Also where nothing costs anything, or nobody knows what it costs."""
    table = drawn(100, 0.5, 0.9)
    table = replace(table, rows=tuple(at_cost(row, dollars) for row in table.rows))
    baselines = Baselines.of(table, shuffled(table.queries, 5, 0), 0)
    asked = np.tile([False, True], (100, 1))
    always = replayed_outcomes(table, np.ones(100, dtype=int), asked)
    results = cascade_outcomes(always, table.labels)
    assert cascade_gains(results, baselines, 0)["over_zero"] == [0, 0, 0]


def at_cost(row, dollars):
    answers = {at: replace(answer, cost=dollars) for at, answer in row.state.answers.items()}
    return replace(row, state=replace(row.state, answers=answers))
