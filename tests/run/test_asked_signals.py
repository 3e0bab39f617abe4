"""Signals for which another model is asked: verified, judged, rewarded."""

import pytest

from composer.backends.fake import Fake
from composer.diagnostics import Mistakes
from composer.methods.signals.verified import Verified
from composer.specs import Declared

JUDGES = """
model A = fake(says = "a", confidence = 0.9)
model B = fake(says = "b")
model mixed = fake(among = ["Yes, it is.", "No. Nobody would say yes", "I would say yes", "Hm."])
model silent = fake(says = "Hm.")
model strict = fake(says = "Good. [[7]]")
model of_five = fake(says = "[[7]]")
model writes_a = fake(says = "a")
"""


@pytest.fixture
def signal(ready):
    """Return the signals of the first answer of a cascade, and the calls of each model."""

    def measure(rule):
        result = ready(f"cascade(A, B, accept = {rule})", models=JUDGES)("Why?")
        event = next(e for e in result.trace.events if e.op == "cascade")
        (value,) = event.notes["stages"][0]["signals"].values()
        return value, result, event.notes

    return measure


def test_replies_are_counted_among_those_that_say_yes_or_no(signal):
    value, result, notes = signal("verified(by = mixed, draws = 12) >= 0")
    calls = [call for event in result.trace.events for call in event.asked if call.model == "mixed"]
    replies = [call.text for call in calls]
    yes = sum(text in ("Yes, it is.", "I would say yes") for text in replies)
    no = sum(text.startswith("No") for text in replies)
    assert len(replies) == 12
    assert 0 < value == yes / (yes + no) < 1
    assert notes["unread_verdicts"] == 12 - yes - no > 0


def test_where_nobody_says_either_the_next_stage_is_asked(signal):
    value, result, _ = signal("verified(by = silent, draws = 2) >= 0")
    assert value is None
    assert result.answer == "b"


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        ("**Yes** or no? no", True),
        ("It is not right: no.", False),
        ("At first yes, but no", False),
        ("Nothing", None),
    ],
)
def test_a_reply_says_what_it_begins_with_else_what_it_ends_with(reply, says):
    model = Declared("M", Fake(says=reply))
    assert Verified(by=model, draws=1)._says_yes(reply) is says


def test_a_grade_becomes_a_number_from_0_to_1(signal):
    assert signal("judged(by = strict) >= 0")[0] == pytest.approx(6 / 9)
    assert signal("judged(by = of_five, scale = 5) >= 0")[0] is None


def test_a_reward_is_as_the_model_gives_it(signal):
    assert signal("rewarded(by = writes_a) >= 0")[0] == 1.0


def test_an_answer_that_abstains_is_not_shown(ready):
    for rule in ("verified(by = mixed, draws = 2)", "judged(by = mixed)", "rewarded(by = mixed)"):
        text = f"A -> extract(number()) -> cascade(B, accept = {rule} >= 0)"
        result = ready(text, models=JUDGES)("Why?")
        assert result.answer == "b"
        assert "mixed" not in result.members


@pytest.mark.parametrize(
    ("rule", "needs"),
    [
        ("verified(by = strict) > 0", "scores of a given text"),
        ("verified(by = strict, draws = 3) > 0", ""),
        ("judged(by = strict) > 0", ""),
    ],
)
def test_only_what_is_used_of_a_model_must_be_there(load, rule, needs):
    text = f"cascade(A, B, accept = {rule})"
    if not needs:
        assert load(text, models=JUDGES)
        return
    with pytest.raises(Mistakes, match=needs) as raised:
        load(text, models=JUDGES)
    assert "`draws = 5`" in raised.value.diagnostics[0].help


def test_a_recording_gives_no_rewards(load, tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"query": "Why?", "recorded": {"R": {"text": "a"}}}')
    models = JUDGES + 'model R = recorded("rows.jsonl", "R")\n'
    with pytest.raises(Mistakes, match="a reward for an answer"):
        load("cascade(A, B, accept = rewarded(by = R) > 0)", models=models)
