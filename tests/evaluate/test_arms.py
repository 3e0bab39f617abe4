"""The arms of a synthesis: one panel for all, paired differences, and a verdict by rules."""

import json

import pytest

from composer import load
from composer.cli import main
from composer.evaluate import Grading, arms_of, read_rows
from composer.evaluate.arms import ALONE, AS_IS, PLAIN, RANDOM, Arm, Arms
from composer.evaluate.equal import FUSION
from composer.evaluate.measure import evaluate
from composer.evaluate.syntheses import synthesis_of
from composer.metrics import Interval
from composer.run import Failure

MODELS = """
model A = fake(says = "good", confidence = 0.9)
model B = fake(says = "bad", confidence = 0.2)
model C = fake(says = "bad", confidence = 0.1)
model many = fake(among = ["good", "bad"])
model judge = fake(says = "no JSON")
model broken = fake(fails = true)
model W = fake(style = echo)
"""
FIRST = '"""{{ answers[0] }}"""'


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "rows.jsonl"
    rows = [{"id": f"q{at}", "query": f"q{at}", "reference": "good"} for at in range(40)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def arms(data):
    def run(text, **options):
        with Grading("auto", **options) as how:
            return arms_of(load(MODELS + text), read_rows(data), how)

    return run


def means(one):
    return {name: arm.accuracy.mean for name, arm in one.arms.items()}


def test_scores_are_held_against_the_plain_panel_and_against_random_ones(arms):
    one = arms(f"[C, B, A] -> rank() -> regenerate(W, {FIRST})")
    shares = means(one)
    assert (shares[ALONE], shares[PLAIN], shares[AS_IS]) == (0, 0, 1)
    assert 0.1 < shares[RANDOM] < 0.6
    assert [round(arm.calls) for arm in one.arms.values()] == [1, 4, 4, 4]
    assert one.verdict == "KEEP"


def test_all_arms_read_one_panel(data):
    traces = []
    text = f"sample(many, 4) -> rank(by = longest()) -> regenerate(W, {FIRST})"
    with Grading("auto") as how:
        arms_of(load(MODELS + text), read_rows(data), how, lambda one: traces.append(one.trace))
    asked = [[event.op for event in trace.events if event.asked] for trace in traces]
    assert all(ops.count("sample") == 1 for ops in asked)


def test_an_analysis_without_scores_has_no_placebo(arms):
    one = arms(
        f"[A, B] -> shuffle() -> analyse(judge) -> regenerate(W, {FIRST}) -> extract(whole())"
    )
    assert list(one.arms) == [ALONE, PLAIN, AS_IS]
    assert means(one)[PLAIN] == means(one)[AS_IS]
    assert one.verdict == "INCONCLUSIVE"


def test_a_panel_that_fails_is_wrong_and_the_writer_alone_is_not(arms):
    one = arms(f"[broken, broken] -> rank(by = longest()) -> regenerate(A, {FIRST})")
    assert means(one) == {ALONE: 1, PLAIN: 0, AS_IS: 0, RANDOM: 0}
    assert one.arms[PLAIN].failed == 40
    assert one.verdict == "KILL_FUSION"


@pytest.mark.parametrize("text", ["A", "[A, B] -> vote()", "A -> regenerate(W)", "rounds(A, B)"])
def test_other_recipes_have_no_arms(arms, text):
    with pytest.raises(Failure, match="has no arms"):
        arms(text)


SURE, WORSE, OPEN = Interval(0.1, 0.02, 0.2), Interval(-0.1, -0.2, -0.02), Interval(0.0, -0.1, 0.1)
MINUS = Interval(-0.01, -0.1, 0.1)


@pytest.mark.parametrize(
    ("panel", "addon", "placebo", "verdict"),
    [
        (OPEN, SURE, SURE, "KEEP"),
        (SURE, SURE, SURE, "KEEP"),
        (MINUS, SURE, SURE, "INCONCLUSIVE"),
        (WORSE, SURE, SURE, "KILL_FUSION"),
        (SURE, WORSE, SURE, "KILL_ADDON"),
        (SURE, OPEN, WORSE, "KILL_ADDON"),
        (SURE, SURE, OPEN, "INCONCLUSIVE"),
        (SURE, OPEN, SURE, "INCONCLUSIVE"),
        (SURE, SURE, None, "KEEP"),
        (SURE, None, None, "KEEP"),
        (OPEN, None, None, "INCONCLUSIVE"),
    ],
)
def test_verdicts(panel, addon, placebo, verdict):
    pairs = {(PLAIN, ALONE): panel, (AS_IS, PLAIN): addon, (AS_IS, RANDOM): placebo}
    gaps = {pair: gap for pair, gap in pairs.items() if gap is not None}
    assert Arms("r", 9, {ALONE: Arm(OPEN, 1, 0)}, gaps).verdict == verdict


@pytest.mark.parametrize(
    ("text", "calls", "between"),
    [
        ("[A, B] -> regenerate(W)", 1, []),
        ("[A, B] -> shuffle() -> analyse(judge) -> regenerate(W)", 2, ["shuffle", "analyse"]),
        ('[A, B] -> prompt("{{ answers }}") -> W -> extract(whole())', 1, ["prompt"]),
        ("[A, B, C] -> rank(W, by = judge()) -> top(2) -> regenerate(W)", 7, ["rank", "top"]),
    ],
)
def test_what_stands_between_panel_and_writer(text, calls, between):
    synthesis = synthesis_of(load(MODELS + text).fitted.answer)
    assert [node.op for node in synthesis.between] == between
    assert synthesis.calls == calls
    assert synthesis.panel.op == "bank"


def test_equal_calls_are_also_given_to_the_same_synthesis(data):
    recipe = load(MODELS + f"[B, A, C] -> shuffle() -> regenerate(W, {FIRST})")
    equal = evaluate(recipe, read_rows(data), equal_calls=True).equal
    fusion = next(one for one in equal if one.then == FUSION)
    assert (fusion.member, fusion.wanted, fusion.samples) == ("A", 3, 3)
    assert fusion.accuracy.mean == 1
    assert fusion.difference.high < 0


def test_samples_of_one_member_are_ranked_by_agreement_where_the_score_was_learned(data, tmp_path):
    """The forest knows B, A and C: it could not rank samples named A#2, and every row failed."""
    rows = [json.loads(line) for line in data.read_text().splitlines()]
    outcomes = {"B": ("bad", False), "A": ("good", True), "C": ("bad", False)}
    recorded = {name: {"text": text, "correct": is_} for name, (text, is_) in outcomes.items()}
    learned = tmp_path / "learned.jsonl"
    learned.write_text("".join(json.dumps(row | {"recorded": recorded}) + "\n" for row in rows))
    ranked = f'rank(by = forest(trees = 3, data = "{learned.name}"))'
    path = tmp_path / "r.ens"
    path.write_text(MODELS + f"[B, A, C] -> {ranked} -> regenerate(W, {FIRST})\n")
    equal = evaluate(load(path), read_rows(data), equal_calls=True).equal
    fusion = next(one for one in equal if one.then == FUSION)
    assert (fusion.reason, fusion.accuracy.mean) == ("", 1)


def test_the_command_prints_arms_and_a_verdict(data, tmp_path, capsys):
    path = tmp_path / "r.ens"
    path.write_text(MODELS + f"[C, B, A] -> rank() -> regenerate(W, {FIRST})\n")
    with pytest.raises(SystemExit) as left:
        main(["eval", str(path), "--data", str(data), "--arms"])
    assert left.value.code == 0
    printed = capsys.readouterr().out
    assert "C as it is" in printed
    assert "Verdict: KEEP" in printed
    with pytest.raises(SystemExit) as left:
        main(["eval", str(path), "--data", str(data), "--arms", "--plot", str(tmp_path / "p.svg")])
    assert left.value.code == 2
