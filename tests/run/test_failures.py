"""What goes wrong while running is told with a code, and a fallback may take over."""

import pytest

from composer.methods import PartError
from composer.run import Failure, Result
from composer.values import ModelError


def test_a_failing_model_is_a_failure_with_a_code(ready):
    with pytest.raises(Failure) as caught:
        ready("broken")("?")
    assert caught.value.code == "E701"
    assert str(caught.value).startswith("[E701] `broken` failed")


def test_a_failure_keeps_what_was_spent(ready):
    with pytest.raises(Failure) as caught:
        ready('A -> prompt("""{{ answer }}""") -> broken')("Why?")
    result = caught.value.result
    assert result.members["A"].calls == 1
    assert (result.query, result.answer) == ("Why?", None)
    assert result.error == str(caught.value)


def test_nobody_voting_is_told(ready):
    with pytest.raises(Failure) as caught:
        ready("[A, B] -> extract(number()) -> vote()")("?")
    assert caught.value.code == "E705"
    assert "fallback" in caught.value.help


def test_a_vote_without_votes_may_fall_back(ready):
    assert ready("([A, B] -> extract(number()) -> vote()) | C")("?").answer == "c"


def test_as_many_weights_as_answers_are_needed_when_it_comes_to_it(ready):
    recipe = (
        "route(by = length(), policy = several(k = 2)) -> [A, B, C] -> vote(weights = [1, 2, 3])"
    )
    with pytest.raises(Failure) as caught:
        ready(recipe)("?")
    assert caught.value.code == "E403"


def test_a_template_that_asks_for_what_is_not_there_is_told(ready):
    with pytest.raises(Failure) as caught:
        ready('prompt("""{{ fields.topic }}""") -> say')("?")
    assert caught.value.code == "E708"
    assert (
        ready('prompt("""{{ fields.topic }}""") -> say')({"query": "?", "topic": "sky"}).answer
        == "sky"
    )


def test_a_recording_without_an_answer_is_told(ready, tmp_path):
    (tmp_path / "kept.jsonl").write_text('{"query": "a", "recorded": {"m": {"text": "x"}}}\n')
    ensemble = ready('model R = recorded("kept.jsonl", "m")\nR', models="")
    assert ensemble("a").answer == "x"
    with pytest.raises(Failure) as caught:
        ensemble("b")
    assert caught.value.code == "E701"


def test_a_fallback_takes_over_whatever_failed(ready):
    result = ready("([A, broken] -> vote()) | (broken -> vote()) | B")("?")
    assert result.answer == "b"
    (event,) = (event for event in result.trace.events if event.op == "fallback")
    assert list(event.notes["failed"]) == ["vote", "vote#2"]


def test_a_fallback_whose_choices_all_fail_fails_as_the_last(ready):
    with pytest.raises(Failure) as caught:
        ready("broken | ([A, B] -> extract(number()) -> vote())")("?")
    assert caught.value.code == "E705"


def test_one_failing_query_does_not_stop_the_others(ready):
    models = 'model picky = fake(knows = [["bad", "7"]], says = "none")\n'
    ensemble = ready("picky -> extract(number()) -> vote()", models=models)
    good, bad, again = ensemble.map(["bad", "good", "bad"])
    assert (good.answer, again.answer, good.error) == ("7", "7", None)
    assert bad.answer is None
    assert bad.error.startswith("[E705]")
    assert bad.seconds > 0


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ModelError("E703", "too long", "shorten it"), "E703"),
        (PartError("E705", "nobody", "ask"), "E705"),
        (TimeoutError(), "E702"),
        (ZeroDivisionError("division by zero"), "E701"),
        (Failure("E707", "closed"), "E707"),
    ],
)
def test_every_error_becomes_a_failure_with_a_code(error, code):
    failure = Failure.of(error)
    assert failure.code == code
    assert str(failure).startswith(f"[{code}] ")


def test_an_unknown_error_says_what_it_is():
    assert Failure.of(KeyError("x")).message == "KeyError: 'x'"


def test_a_result_prints_its_answer_or_its_error():
    assert str(Result("1", "q", "a")) == "a"
    assert str(Result("1", "q", None, error="[E701] x")) == "error: [E701] x"
