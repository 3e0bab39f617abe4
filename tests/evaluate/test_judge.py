"""An answer is judged by what was recorded of it, else by the reference."""

import pytest

from composer.evaluate import EvaluationRow, Grading
from composer.evaluate import judge as judging


def judge(row, answer, writers=(), **options):
    """The score of an answer."""
    return judging.judge(row, answer, writers, Grading(), **options).score


def judgement(row, names):
    """The score of a recorded answer."""
    grade = judging.judgement(row, names, Grading())
    return None if grade is None else grade.score


def row(references=(), **recorded):
    return EvaluationRow("1", "q", references, recorded=recorded)


def test_any_of_several_references_will_do():
    assert judge(row(("a", "b")), "B") == 1


def test_a_recorded_judgement_goes_before_the_reference():
    judged = row(("x",), A={"text": "y", "correct": True})

    assert judge(judged, "y", ["A"]) == 1
    assert judge(judged, "y") == 0


def test_a_judgement_counts_only_for_the_text_it_was_made_of():
    judged = row(("x",), A={"text": "y", "correct": True})

    assert judge(judged, "z", ["A"]) == 0


def test_what_was_read_out_of_a_replayed_answer_keeps_its_judgement():
    judged = row(A={"text": "so it is 4", "correct": True})

    assert judge(judged, "4", ["A"]) == 1
    assert judge(judged, "4", ["A"], replayed=False) is None


def test_between_two_possible_writers_the_text_decides():
    judged = row(A={"text": "x", "correct": False}, B={"text": "y", "correct": True})

    assert judge(judged, "y", ["A", "B"]) == 1
    assert judge(judged, "other", ["A", "B"]) is None


@pytest.mark.parametrize(
    ("answer", "kept", "quality"),
    [("(wrong)", {"correct": False}, 0), ("(right)", {"correct": True}, 1)],
)
def test_stand_ins_are_judged_as_what_they_stand_for(answer, kept, quality):
    assert judge(row(A=kept), answer, ["A"]) == quality


def test_a_score_is_a_quality():
    assert judge(row(A={"text": "x", "score": 0.4}), "x", ["A"]) == 0.4


def test_without_reference_or_judgement_nothing_is_known():
    assert judge(row(), "x", ["A"]) is None


def test_no_answer_is_wrong():
    assert judge(row(("x",)), None) == 0


def test_a_model_alone_is_judged_by_its_own_record():
    judged = row(("x",), A={"correct": True}, B={"text": "x"}, C={"cost": 1})

    assert judgement(judged, ["A"]) == 1
    assert judgement(judged, ["B"]) == 1
    assert judgement(judged, ["C"]) is None
    assert judgement(judged, ["D"]) is None


def test_recorded_answers_are_graded_anew_where_that_is_wanted():
    judged = row(("x",), A={"text": "y", "correct": True}, B={"correct": True})

    grade = judging.judge(judged, "y", ["A"], Grading("exact", regrade=True))
    alone = judging.judgement(judged, ["A"], Grading("exact", regrade=True))

    assert (grade.verdict, grade.grader) == ("wrong", "exact")
    assert alone.score == 0
    assert judging.judgement(judged, ["B"], Grading(regrade=True)).grader == "recorded"
