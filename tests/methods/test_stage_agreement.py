"""How much the earlier answers of a cascade agree with the latest one."""

import asyncio

import pytest

from composer.methods.agreements.overlap import F1
from composer.methods.cascade_state import CascadeState, StageAnswer
from composer.methods.signals.stage_agreement import StageAgreement
from composer.values import Query, Text


def stage_agreement(*answers, by=None):
    query = Query.of("Who wrote Faust?")
    state = CascadeState(query, ("a", "b", "c"))
    for at, answer in enumerate(answers):
        text = Text(query, answer or "", value=answer, extracted=True)
        state = state.with_answer(at, StageAnswer(text))
    signal = StageAgreement() if by is None else StageAgreement(by=by)
    return asyncio.run(signal.in_cascade(state, None))


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ((), None),
        (("Goethe",), None),
        (("Goethe", "goethe"), 1.0),
        (("Schiller", "Goethe", "Goethe"), 0.5),
        (("Goethe", None), 0.0),
        ((None, "Goethe"), 0.0),
    ],
)
def test_the_share_of_earlier_answers_that_say_the_same(answers, expected):
    assert stage_agreement(*answers) == expected


def test_answers_in_free_text_agree_by_degrees():
    # two words of two and of four: precision 1, recall 1/2
    assert stage_agreement("Johann Wolfgang von Goethe", "von Goethe", by=F1()) == pytest.approx(
        2 / 3
    )


def test_it_is_known_by_what_it_compares_with():
    assert str(StageAgreement(by=F1())) == "stage_agreement(by = f1())"
    assert str(StageAgreement()) == "stage_agreement"
