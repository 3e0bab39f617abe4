"""Reliability without labels, clusters of members, a small network, and corrected win rates."""

import random

import numpy as np
import pytest
from answer_tables import drawn, fitted, shares, table_of

from composer.methods import Numeric, PartError
from composer.methods.reductions.combiner import Combiner
from composer.methods.reductions.dawid_skene import DawidSkene
from composer.methods.reductions.fingerprints import Fingerprints
from composer.methods.reductions.win_rate import WinRate


@pytest.fixture(scope="module")
def pool():
    return drawn((0.9, 0.6, 0.6, 0.55), 4, 1000)


def test_one_coin_finds_who_is_reliable(pool):
    part = fitted(DawidSkene(), pool)
    assert part.fitted.state.arrays["accuracy"] == pytest.approx([0.9, 0.6, 0.6, 0.55], abs=0.05)
    assert shares(part, ["x", "y", "y", "z"]).leaders() == ((0,),)


@pytest.mark.slow
def test_the_full_form_learns_what_a_member_says_for_which_truth(silencing):
    """C says no whatever is true: its no means nothing, its yes much."""
    pytest.importorskip("crowdkit")
    draw = random.Random(0)
    rows = []
    for _ in range(300):
        truth = draw.choice(["yes", "no"])
        other = "no" if truth == "yes" else "yes"
        said = [truth if draw.random() < 0.85 else other for _ in range(3)]
        rows.append([*said, truth if draw.random() < 0.3 else "no"])
    part = fitted(DawidSkene(form="classes"), table_of(rows))
    errors = part.fitted.state.arrays["errors"]
    labels = part.fitted.state.facts["labels"]
    assert errors[3, labels.index("no"), labels.index("no")] > 0.95
    assert errors[0, labels.index("yes"), labels.index("yes")] == pytest.approx(0.85, abs=0.06)
    alone = shares(part, ["yes", None, None, "no"])
    assert alone.shares[0] > 0.7
    assert shares(part, ["maybe", "yes", "yes", None]).shares[0] == 0
    assert shares(part, ["maybe", "perhaps", "maybe", None]).leaders() == ((0, 2),)


@pytest.mark.slow
def test_the_full_form_refuses_open_answers(silencing):
    pytest.importorskip("crowdkit")
    with pytest.raises(PartError, match="needs 2 to 50 labels that all questions share"):
        fitted(DawidSkene(form="classes"), table_of([[str(n), "a"] for n in range(60)]))
    with pytest.raises(PartError, match="compares labels, which `numeric` lacks"):
        fitted(DawidSkene(form="classes"), table_of([["1", "2"]] * 5), by=Numeric())


def test_a_network_learns_whom_to_believe():
    rows = [["x", "y", "y"] if n % 2 else ["y", "y", "y"] for n in range(80)]
    right = ["x" if n % 2 else "y" for n in range(80)]
    part = fitted(Combiner(answers=3, width=10, epochs=100), table_of(rows, right))
    assert shares(part, ["p", "q", "q"]).leaders() == ((0,),)
    assert shares(part, [None, "q", "q"]).leaders() == ((1, 2),)
    again = fitted(Combiner(answers=3, width=10, epochs=100), table_of(rows, right))
    assert shares(again, ["p", "q", "q"]) == shares(part, ["p", "q", "q"])


def test_a_network_needs_something_to_learn():
    with pytest.raises(PartError, match="another answer than that of most is right"):
        fitted(Combiner(), table_of([["a", "a"]] * 9, ["a"] * 9))


def test_of_members_that_answer_alike_the_best_votes():
    pytest.importorskip("wordllama")
    cat, bank = "The cat sat on the mat.", "Banks raise interest rates."
    rows = [[cat, cat, bank, bank]] * 4 + [["A cat.", cat, bank, "Bank rates."]] * 4
    right = [cat] * 4 + ["A cat."] * 4
    part = fitted(Fingerprints(quantile=0), table_of(rows, right))
    accuracy, weights = (part.fitted.state.arrays[key] for key in ("accuracy", "weights"))
    assert part.fitted.state.arrays["clusters"].tolist() == [0, 0, 1, 1]
    assert weights == pytest.approx([np.exp(accuracy[0]), 0, np.exp(accuracy[2]), 0])
    assert list(part.notes(part.fitted.state)) == [
        "`fingerprints` found 2 clusters among 4 members; `A`, `C` vote"
    ]
    best = fitted(Fingerprints(quantile=1), table_of(rows, right))
    assert best.fitted.state.arrays["weights"].tolist()[1:] == [0, 0, 0]


def judged(rate, judges, count=1000, seed=0):
    """Return verdicts of judges, each with its q0 and q1, and which verdict is true."""
    draw = random.Random(seed)
    wins = [draw.random() < rate for _ in range(count)]
    says = [
        ["A" if (draw.random() < q1 if won else draw.random() >= q0) else "B" for q0, q1 in judges]
        for won in wins
    ]
    return table_of(says, ["A" if won else "B" for won in wins])


@pytest.mark.parametrize("form", ["bwrs", "bayesian"])
def test_win_rates_are_corrected(form):
    table = judged(0.7, [(0.9, 0.75), (0.8, 0.7), (0.85, 0.8)])
    part = fitted(WinRate(form=form), table)
    facts = part.fitted.state.facts
    rate, low, high = facts["win_rate"]
    assert facts["counted"] < 0.62
    assert rate == pytest.approx(0.7, abs=0.06)
    assert low < 0.7 < high
    assert part.fitted.state.arrays["q1"] == pytest.approx([0.75, 0.7, 0.8], abs=0.08)
    (note,) = part.notes(part.fitted.state)
    assert note.startswith(f"`A` wins {rate:.3f} [")
    found = shares(part, ["A", "B", None])
    assert sum(found.masses) == pytest.approx(1)
    assert found.leaders() == ((0,),)


def test_judges_that_abstain_give_no_win_rate():
    with pytest.raises(PartError, match="all judges abstain"):
        fitted(WinRate(), table_of([[None, None]] * 3))
