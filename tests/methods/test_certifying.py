"""Promises of cascades: how often they are broken where the true risk is known."""

from types import MappingProxyType

import numpy as np
import pytest
from scipy import stats

from composer.methods.acceptances.certified import Certified, LabelFree
from composer.methods.acceptances.certifying import Search
from composer.methods.acceptances.promises import Promise
from composer.methods.acceptances.replay import Replay
from composer.methods.cascade_state import CascadeState, StageAnswer
from composer.methods.cascade_table import CascadeRow, CascadeTable
from composer.methods.mistakes import PartError
from composer.methods.signals.stage_agreement import StageAgreement
from composer.metrics import loss_p_values, rows_needed
from composer.values import Fitted, Query, Text

SPLITS = 200
ROWS = 400


def population(seed, rows, *, graded=False):
    """Two stages: the first errs more on hard questions, and its signal knows which these are."""
    rng = np.random.default_rng(seed)
    hard = rng.uniform(size=rows)
    signal = np.stack([1 - hard + rng.normal(0, 0.1, rows), np.zeros(rows)], 1)
    right = np.stack([1 - 0.6 * hard**2, np.full(rows, 0.98)], 1)
    quality = (rng.uniform(size=(rows, 2)) < right).astype(float)
    if graded:
        quality = quality * 0.5 + 0.5 * right
    cost = np.exp(rng.normal(0, 0.3, (rows, 2))) * np.array([1.0, 20.0])
    alike = np.stack([rng.uniform(size=rows) < 1 - 0.4 * hard, np.ones(rows)], 1).astype(float)
    return Replay(signal, quality, cost, np.ones((rows, 2), dtype=bool), alike)


EVERYBODY = population(99, 10_000)

PROMISES = [
    (Promise("errors", 0.05), None),
    (Promise("accepted_errors", 0.1), None),
    (Promise("over_budget", 0.1, 20.0), Promise("differs_from_last", 1.0)),
    pytest.param(Promise("worse_than_last", 0.05), None, marks=pytest.mark.slow),
    pytest.param(Promise("differs_from_last", 0.05), None, marks=pytest.mark.slow),
]


@pytest.mark.parametrize(
    ("promise", "aim"), PROMISES, ids=lambda each: getattr(each, "loss", "cost")
)
def test_a_promise_is_broken_no_more_often_than_it_says(promise, aim):
    broken = kept = 0
    for seed in range(SPLITS):
        search = Search("certified", (promise,), 0.9, aim, 0.33, seed)
        rows = population(seed, ROWS)
        try:
            certificate = search.certify(rows, rows.quality)
        except PartError:
            continue
        everybody = EVERYBODY.rising(certificate.sign)
        true = search.tallies(everybody, certificate.thresholds[None])
        risk = true.total[0, 0] / max(true.rows[0, 0], 1)
        broken, kept = broken + (risk > promise.limit), kept + (risk <= promise.limit)
    assert broken <= 0.15 * SPLITS
    assert kept >= 0.5 * SPLITS


def test_losses_by_degrees_are_certified_too():
    search = Search("certified", (Promise("errors", 0.2),), 0.9, None, 0.33, 0)
    rows = population(0, ROWS, graded=True)
    assert not search.promises[0].binary(rows)
    certificate = search.certify(rows, rows.quality)
    assert certificate.losses[0] < 0.2


def test_p_values_are_those_of_the_binomial():
    total, rows = np.array([3.0, 0.0, 0.0]), np.array([100.0, 50.0, 0.0])
    p_values = loss_p_values(total, rows, 0.05, binary=True)
    assert p_values == pytest.approx([stats.binom.cdf(3, 100, 0.05), 0.95**50, 1.0])


def test_p_values_of_other_losses_are_the_better_of_two_bounds():
    # Hoeffding: exp(-n h), h = .02 ln(.02 / .1) + .98 ln(.98 / .9); Bentkus: e P(Bin(100, .1) <= 2)
    hoeffding = np.exp(-100 * (0.02 * np.log(0.2) + 0.98 * np.log(0.98 / 0.9)))
    bentkus = np.e * stats.binom.cdf(2, 100, 0.1)
    found = loss_p_values(np.array([2.0]), np.array([100.0]), 0.1, binary=False)
    assert found[0] == pytest.approx(min(hoeffding, bentkus))


@pytest.mark.parametrize("mean", [0.0, 0.02, 0.04])
def test_so_many_rows_are_enough(mean):
    rows = rows_needed(mean, 0.05, 0.1)
    total = np.array([mean * rows])
    assert loss_p_values(total, np.array([float(rows)]), 0.05, binary=True)[0] <= 0.1


def test_the_least_number_of_rows_is_that_of_no_loss_at_all():
    assert rows_needed(0.0, 0.05, 0.1) == 45
    assert 0.95**45 <= 0.1 < 0.95**44
    assert rows_needed(0.05, 0.05, 0.1) is None


def table(rows, *, cost=(1.0, 20.0), names=("weak", "strong")):
    """A table of rows: signal and answer of the weak stage, answer of the strong one, reference."""
    made = []
    for at, (signal, weak, strong, right) in enumerate(rows):
        query = Query.of(f"question {at}")
        answers = {
            stage: StageAnswer(
                Text(query, text),
                {"confidence": signal, "agreement": signal},
                cost[stage],
            )
            for stage, text in enumerate((weak, strong))
            if text is not None
        }
        quality = tuple(None if t is None else float(t == right) for t in (weak, strong))
        made.append(CascadeRow(CascadeState(query, names, MappingProxyType(answers)), quality))
    return CascadeTable(names, tuple(made))


def sure_and_unsure(rows):
    """Half of the answers are sure and right, the others unsure and wrong; the last is right."""
    return [(0.9, "a", "a", "a") if at % 2 else (0.2, "b", "a", "a") for at in range(rows)]


def bound(part, data):
    return part.bound(Fitted.of(data.names, len(data.rows), state=part.fit(data, 0)))


@pytest.mark.parametrize(
    "part",
    [Certified(risk=0.1), Certified(risk=0.1, counts="worse_than_last"), LabelFree(risk=0.1)],
)
def test_the_sure_answer_is_taken_and_the_other_not(part):
    data = table(sure_and_unsure(200))
    part = bound(part, data)
    unsure, sure = data.rows[0], data.rows[1]
    assert part.move(unsure.before([])).stage == 0
    assert part.move(sure.before([0])).stage == 0
    assert part.move(unsure.before([0])).stage == 1


def test_a_signal_that_falls_with_quality_is_turned_round():
    data = table([(1 - s, *rest) for s, *rest in sure_and_unsure(200)])
    part = bound(Certified(risk=0.1), data)
    assert part.move(data.rows[1].before([0])).stage == 0
    assert part.move(data.rows[0].before([0])).stage == 1


def test_an_unknown_signal_asks_the_next_stage():
    data = table([*sure_and_unsure(200), (None, "a", "a", "a"), (float("-inf"), "a", "a", "a")])
    part = bound(Certified(risk=0.1), data)
    assert part.move(data.rows[200].before([0])).stage == 1


def test_a_stage_that_fails_is_passed_over():
    rows = [*sure_and_unsure(200), (None, None, "a", "a"), (0.2, "b", None, "a")]
    part = bound(Certified(risk=0.1), table(rows))
    failed = CascadeState(Query.of("?"), ("weak", "strong")).with_failure(0)
    assert part.move(failed).stage == 1


def test_too_few_rows_are_refused_with_the_number_that_it_takes():
    with pytest.raises(PartError) as caught:
        Certified(risk=0.05).fit(table(sure_and_unsure(20)), 0)
    assert caught.value.code == "E509"
    assert "0% of 13 rows, and these are too few" in caught.value.message
    assert "give about 73 rows" in caught.value.help


def test_a_last_stage_that_errs_too_often_is_no_matter_of_rows():
    rows = [(0.5, "b", "b" if at % 4 == 0 else "a", "a") for at in range(400)]
    with pytest.raises(PartError) as caught:
        Certified(risk=0.05).fit(table(rows), 0)
    assert "promise more" in caught.value.help


def test_a_budget_needs_costs():
    data = table(sure_and_unsure(200), cost=(1.0, float("nan")))
    with pytest.raises(PartError) as caught:
        LabelFree(budget=5.0).fit(data, 0)
    assert (caught.value.code, "`strong`" in caught.value.message) == ("E511", True)


def test_a_budget_that_only_the_weak_stage_keeps_takes_its_answers():
    data = table(sure_and_unsure(200))
    part = bound(LabelFree(budget=5.0), data)
    assert {part.move(row.before([0])).stage for row in data.rows} == {0}


def test_where_nothing_is_said_a_tenth_may_differ():
    assert LabelFree().promises == (Promise("differs_from_last", 0.1),)
    assert LabelFree(budget=1.0).promises == (Promise("over_budget", 0.1, 1.0),)


def test_a_stage_is_only_left_out_where_a_signal_reads_one_answer():
    with pytest.raises(ValueError, match="would lack answers that it reads"):
        LabelFree(of=StageAgreement(), skip=True)


def test_a_stage_that_is_no_use_is_left_out():
    answers = [("a", "b", "a"), ("b", "b", "a")]
    rows = [
        CascadeRow(
            CascadeState(
                Query.of(f"{at}"),
                ("weak", "useless", "strong"),
                {
                    stage: StageAnswer(
                        Text(Query.of(f"{at}"), text), {"confidence": [at % 2, 0.5, 1][stage]}, cost
                    )
                    for stage, (text, cost) in enumerate(
                        zip(answers[(at + 1) % 2], (1.0, 5.0, 9.0), strict=True)
                    )
                },
            ),
            tuple(float(text == "a") for text in answers[(at + 1) % 2]),
        )
        for at in range(200)
    ]
    data = CascadeTable(("weak", "useless", "strong"), tuple(rows))
    part = bound(Certified(risk=0.1, skip=True), data)
    assert part.move(rows[0].before([0])).stage == 2
    assert part.move(rows[1].before([0])).stage == 0


def test_a_signal_that_no_answer_has_is_refused():
    data = table([(None, "a", "a", "a")] * 200)
    with pytest.raises(PartError, match="not known of any answer"):
        Certified(risk=0.1).fit(data, 0)
