"""A policy that weighs the members of a span fuse: its arithmetic, its fit, and runs with it."""

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from fusing import SpanFuse
from span_cast import A, B

import composer
from composer.diagnostics import Mistakes
from composer.engine.sessions.span_parts import Reading, ScoredRound
from composer.evaluate.rows import EvaluationRow
from composer.fit.fitting import fit
from composer.fit.policies import _Explorer, _gradient, _trained
from composer.fit.settings import FitSettings
from composer.methods import find_part
from composer.methods.spans.policy import Acting
from composer.values import Fitted, Query, State

Policy = find_part("spanweigh", "policy")
ZOO = Path(__file__).parents[2] / "composer" / "zoo"
GIVEN = np.log([0.25, 0.75])


def acting(coefficients, noise=None):
    """A policy of two members with two features of the text: its length, and 1."""
    return Acting(np.array(coefficients), GIVEN, lambda text: np.array([len(text), 1.0]), noise)


def round_of(scores, best, readings):
    """A round of two members, each of which proposed one of two candidates."""
    return ScoredRound((0, 1), ((0,), (1,)), scores, (0.0, 0.0), best, readings)


def softmax(values):
    powers = [math.exp(value) for value in values]
    return [power / sum(powers) for power in powers]


def test_without_coefficients_the_weights_are_the_given_ones():
    assert acting(np.zeros((2, 7))).weights("any") == pytest.approx([0.25, 0.75])


def test_actions_are_linear_in_the_text_and_in_what_was_observed():
    policy = acting([[0.5, 1.0, 0, 0, 0, 0, 0], [0, 0, 2.0, 3.0, 4.0, 5.0, 6.0]])
    actions = [math.log(0.25) + 0.5 * 3 + 1.0, math.log(0.75) + 6.0]
    assert policy.weights("abc") == pytest.approx(softmax(actions))
    readings = ((Reading(b" x", (-1.0, -3.0)),) * 2,) * 2
    policy.learn(
        ScoredRound((0, 1), ((0,), (1,)), ((-1.0, -2.0), (-2.0, -1.0)), (-1.5, -1.4), 1, readings)
    )
    actions = [math.log(0.25) + 1.0, math.log(0.75) + 2.0 * -2 + 3.0 + 4.0 * 0 + 5.0 + 6.0]
    assert policy.weights("") == pytest.approx(softmax(actions))


def test_the_share_of_kept_proposals_is_over_all_rounds():
    policy = acting([[0] * 7, [0, 0, 0, 0, 0, 1.0, 0]])
    for best in (1, 0, 1, 1):
        policy.learn(
            ScoredRound((0, 1), ((0,), (1,)), ((-1.0, -1.0),) * 2, (0, 0), best, ((None,) * 2,) * 2)
        )
    assert policy.weights("") == pytest.approx(softmax([math.log(0.25), math.log(0.75) + 0.75]))


def test_the_gradient_is_that_of_the_density_of_the_actions():
    """The log-density of noise z is -(z / spread)^2 / 2: its gradient is z / spread^2 * state."""
    explorer = _Explorer(lambda *_: acting(np.zeros((2, 7))), 0.5, np.random.default_rng(0))
    explorer.start({}, Query.of("?")).weights("ab")
    ((state, noise),) = explorer.acting.steps
    found = _gradient([explorer], np.array([2.0]), 0.5, (2, 7))
    seen = np.array([[2, 1, 0, 0, 0, 0, 1]] * 2)
    assert found == pytest.approx(2.0 * noise[:, None] / 0.25 * seen)
    assert not _gradient([explorer], np.array([0.0]), 0.5, (2, 7)).any()
    assert np.array_equal(state, seen)


@dataclass
class Toy:
    """Questions about red are answered right by `a`, others by `b`: the grade is its weight."""

    fuse = SpanFuse((A, B), ("a", "b"))

    def graded(self, rows, *fuses):
        grades = []
        for row, fuse in zip(rows, fuses, strict=True):
            weights = fuse.weigh.start({"a": 0.5, "b": 0.5}, row.question()).weights("")
            grades.append(weights[0] if "red" in row.query else weights[1])
        return grades


def toy_rows(count):
    words = [("red", "rose"), ("blue", "sea")]
    return [
        EvaluationRow(str(n), f"the {words[n % 2][0]} {words[n % 2][1]} {n}", ("x",))
        for n in range(count)
    ]


def test_the_policy_gradient_finds_who_is_right(tmp_path):
    settings = FitSettings(None, tmp_path / "none", seed=3)
    part = Policy(draws=4, passes=16)
    state = _trained(part, Toy(), toy_rows(8), settings)
    fitted = part.bound(Fitted.of(("a", "b"), 8, state=state))
    assert state.facts["names"] == ["a", "b"]
    for question, right in (("a red hat", 0), ("a blue hat", 1)):
        weights = fitted.start({"a": 0.5, "b": 0.5}, Query.of(question)).weights("")
        assert weights[right] > 0.7


def test_a_fit_is_the_same_each_time(tmp_path):
    settings, part = FitSettings(None, tmp_path / "none", seed=3), Policy(draws=2, passes=1)
    first, again = (_trained(part, Toy(), toy_rows(4), settings).arrays for _ in range(2))
    name = "policy.coefficients"
    assert first[name].any()
    assert np.array_equal(first[name], again[name])


RECIPE = """\
model maths = zoo("maths")
model text = zoo("text")
example "Add 17 and 25."
default generate(max_tokens = 6)
span_fuse(maths, text, weigh = policy(draws = 2, passes = 1{more}))
"""


@pytest.fixture
def written(tmp_path):
    """A recipe in a file, with questions and references beside it."""
    if not (ZOO / "models" / "text" / "model.safetensors").is_file():
        pytest.skip("the zoo has no model text")
    lines = (ZOO / "items" / "validation.jsonl").read_text(encoding="utf-8").splitlines()[::180]
    rows = [{k: json.loads(line)[k] for k in ("id", "query", "reference")} for line in lines]
    data, path = tmp_path / "rows.jsonl", tmp_path / "rlae.ens"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    path.write_text(RECIPE.format(more=""), encoding="utf-8")
    return path, data


def test_fit_reports_the_held_out_gain_and_runs_use_it(written):
    path, data = written
    with pytest.raises(Mistakes, match=r"`policy` in .* is not fitted yet"):
        composer.load(path).ready()
    done = fit(FitSettings(composer.load(path), data))
    (entry,) = done.manifest.entries
    assert entry.names == ("maths", "text")
    figures = entry.report["held_out"]
    assert set(figures) == {"policy", "fixed", "best_member", "over_fixed", "over_best_member"}
    assert all(low <= mean <= high for mean, low, high in figures.values())
    assert done.notes[0].startswith("the policy is not shown to be better than fixed weights")
    with composer.load(path).ready() as ensemble:
        result = ensemble("Add 17 and 25.")
    calls = [call for step in result.trace.as_dict()["steps"] for call in step["asked"]]
    (spans,) = [call["spans"] for call in calls if call["spans"]]
    assert sum(spans[0]["weights"].values()) == pytest.approx(1, abs=1e-5)


def test_a_fit_is_for_its_members(written):
    path, _ = written
    facts = {"part": "policy", "names": ["maths", "other"]}
    state = State.join(features=Policy().features.fit([("a b", ())]))
    arrays = {**state.arrays, "policy.coefficients": np.zeros((2, 7), np.float32)}
    from composer.methods.fitted import save

    save(path.parent / "policy.safetensors", State(arrays, {**state.facts, **facts}))
    path.write_text(RECIPE.format(more=', file = "policy.safetensors"'), encoding="utf-8")
    with (
        composer.load(path).ready() as ensemble,
        pytest.raises(
            composer.Failure, match="`policy` was fitted with maths, other, but now there is text"
        ),
    ):
        ensemble("Add 17 and 25.")


def test_too_few_rows_are_refused(written):
    path, data = written
    data.write_text("\n".join(data.read_text(encoding="utf-8").splitlines()[:3]), encoding="utf-8")
    with pytest.raises(Mistakes, match="a policy needs 6 or more") as error:
        fit(FitSettings(composer.load(path), data))
    assert error.value.diagnostics[0].code == "E509"


@pytest.mark.parametrize("option", ["weigh = policy()", "span = learned_boundary()"])
def test_members_behind_servers_are_refused(written, option):
    path, data = written
    options = "api = completions, probe = false, abilities = [echo: true, prompt_ids: true, top: 5]"
    folder = ZOO / "models" / "text"
    far = f'endpoint("x", url = "http://127.0.0.1:9/v1", tokenizer = "{folder}", {options})'
    models = f'model maths = zoo("maths")\nmodel text = {far}\n'
    path.write_text(f"{models}span_fuse(maths, text, {option})", encoding="utf-8")
    with pytest.raises(Mistakes, match="is fitted on a `span_fuse` of models that run here"):
        fit(FitSettings(composer.load(path), data))
