"""Going on where it pays, by bins of a signal (AutoMix)."""

import numpy as np
import pytest

from composer.methods import find_part
from composer.methods.acceptances.binned import BinnedRows
from composer.methods.acceptances.pomdp import FORMS, Pomdp
from composer.methods.cascade_state import CascadeState, StageAnswer
from composer.methods.cascade_table import CascadeRow, CascadeTable
from composer.methods.mistakes import PartError
from composer.methods.signals.measured import Confidence
from composer.values import Fitted, Query, Text

QUERY = Query.of("q")


def state(*signals, names=("A", "B")):
    answers = {
        at: StageAnswer(Text(QUERY, "x"), {"confidence": signal}, 0.001 * (1 + 9 * at))
        for at, signal in enumerate(signals)
    }
    return CascadeState(QUERY, names, answers)


def table(rows, names=("A", "B")):
    """Rows of signals of the stages but the last, and qualities of all."""
    return CascadeTable(
        names,
        tuple(CascadeRow(state(*signals, None, names=names), quality) for signals, quality in rows),
    )


# The verifier is sure of right answers, unsure where B would help, and against what is beyond help.
BEYOND, HELPED, RIGHT = ((0.0,), (0, 0)), ((0.5,), (0, 1)), ((1.0,), (1, 1))
HELPFUL = [BEYOND] * 30 + [HELPED] * 30 + [RIGHT] * 40


def fitted(rows, names=("A", "B"), **options):
    part = Pomdp(of=Confidence(), **options)
    made = table(rows, names)
    return part.bound(Fitted.of(names, len(rows), state=part.fit(made, 0)))


def goes_on(part, *signals, names=("A", "B")):
    return part.move(state(*signals, names=names)).stage == len(signals)


@pytest.mark.parametrize("form", FORMS)
def test_what_is_beyond_help_is_left_but_by_one_threshold_that_cannot(form):
    part = fitted(HELPFUL, form=form, bins=3)
    decisions = [goes_on(part, signal) for signal in (0.0, 0.5, 1.0)]
    assert decisions == {
        "threshold": [True, True, False],
        "greedy": [True, True, False],  # smoothing: its neighbour gains
    }.get(form, [False, True, False])


def test_a_higher_price_of_quality_asks_less_often_and_none_asks_all_that_may_gain():
    rows = HELPFUL + [((1.0,), (0, 1))] * 2
    shares = []
    for cost in (0.0, 0.01, 0.09, 0.2):
        part = fitted(rows, cost=cost, bins=3)
        shares.append(sum(goes_on(part, *signals) for signals, _ in rows) / len(rows))
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > shares[1] > shares[-1] == 0


def test_the_belief_after_two_answers_reads_both():
    names = ("A", "B", "C")
    rows = (
        [((0.2, 0.8), (0, 1, 1))] * 30
        + [((0.9, 0.8), (1, 0, 1))] * 30
        + [((0.2, 0.1), (0, 0, 1))] * 30
    )
    part = fitted(rows, names, cost=0.01, bins=2)
    second = [goes_on(part, *signals, names=names) for signals in ((0.2, 0.8), (0.9, 0.8))]
    assert second == [False, True]
    assert goes_on(part, 0.2, names=names)
    by_latest = fitted(rows, names, cost=0.01, bins=2, form="threshold")
    assert len({goes_on(by_latest, *s, names=names) for s in ((0.2, 0.8), (0.9, 0.8))}) == 1


def test_beliefs_are_worth_what_all_courses_together_give():
    rng = np.random.default_rng(0)
    bins = rng.integers(0, 3, (500, 2))
    quality = (rng.uniform(size=(500, 3)) < 0.3 + 0.2 * np.arange(3)).astype(float)
    rows = BinnedRows(bins, quality, np.array([1.0, 2.0, 4.0]), 4)
    for belief in rows._beliefs:
        assert belief.sum() == pytest.approx(1.0)
    on = rows.going_on("pomdp", 0.0)
    assert [len(each) for each in on] == [4, 16]
    everything = rows.outcome(tuple(np.ones(4, dtype=bool) for _ in range(2)))
    assert (everything.cost, everything.share) == (7.0, 1.0)
    assert everything.quality == pytest.approx(quality[:, 2].mean())


def test_an_unknown_signal_is_a_bin_of_its_own():
    rows = HELPFUL + [((None,), (1, 0))] * 10
    assert not goes_on(fitted(rows), None)
    rows = HELPFUL + [((None,), (0, 1))] * 10
    assert goes_on(fitted(rows), None)
    assert goes_on(fitted(HELPFUL, form="double"), None)


def test_the_gain_for_cost_is_told_beside_that_of_the_last_stage():
    part = fitted(HELPFUL, bins=3, aim="ibc")
    notes = list(part.notes(part.fitted.state))
    assert "goes on for 30.0%: quality 0.7000 for $4 a thousand questions" in notes[0]
    # 0.3 for $3 more, beside 0.3 for $9 more.
    assert "+200.0%" in notes[1]


def test_without_dollars_all_stages_cost_the_same():
    made = table(HELPFUL)
    rows = [
        CascadeRow(
            CascadeState(
                QUERY, made.names, {at: StageAnswer(a.text, a.signals) for at, a in answers}
            ),
            row.quality,
        )
        for row in made.rows
        for answers in [row.state.answers.items()]
    ]
    part = Pomdp(of=Confidence(), bins=3)
    fit = part.fit(CascadeTable(made.names, tuple(rows)), 0)
    assert fit.arrays["cost"].tolist() == [1.0, 1.0]
    assert "calls 1.3 a question" in next(part.notes(fit))


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (HELPFUL[:5], "needs 20 rows"),
        ([((None,), (0, 1))] * 30, "`confidence` is unknown for every answer"),
    ],
)
def test_what_does_not_say_enough_is_refused(rows, words):
    with pytest.raises(PartError, match=words) as raised:
        fitted(rows)
    assert raised.value.code == "E509"


def test_it_is_in_the_table():
    assert find_part("acceptance", "pomdp") is Pomdp
