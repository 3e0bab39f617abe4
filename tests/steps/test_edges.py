"""What each step that makes one answer of several does at the edges: one table."""

import pytest

from composer.diagnostics import Mistakes
from composer.recipe import Recipe
from composer.run import Failure

MODELS = f"""
model A = fake(says = "it is 5", confidence = 0.9)
model B = fake(says = "it is 5", confidence = 0.8)
model C = fake(says = "it is 6", confidence = 0.4)
model broken = fake(fails = true)
model silent = fake(says = "no idea", confidence = 0.5)
model empty = fake(says = "", confidence = 0.95)
model snow = fake(says = "☃ é 5 日本", confidence = 0.5)
model long = fake(says = "{"word " * 5000}5", confidence = 0.5)
model judge = fake(says = "[[A]]")
"""
STEPS = {
    "vote": "vote(ties = first())",
    "early": "vote(ties = first(), until = decided())",
    "medoid": "vote(by = f1(), reduce = medoid(), ties = first())",
    "copeland": "vote(by = f1(), reduce = copeland(), ties = first())",
    "consensus": "rank(by = consensus()) -> best()",
    "longest": "rank(by = longest()) -> best()",
    "top": "rank(by = longest()) -> top(2) -> vote(ties = first())",
    "select": "select(A)",
    "regenerate": "regenerate(A)",
}
VOTES = {"vote", "early", "medoid", "copeland", "top"}
CASES = {
    "one fails": "[A, broken, B]",
    "two are one": "[A, A]",
    "two say the same": "[A, B]",
    "there is one": "[A]",
    "one is empty": "[A, empty, B]",
    "one abstains": "[silent, A, B] -> extract(number())",
}
NUMBERS = {"it is 5", "5"}


def answered(text):
    """Answer a question; return the answer, or the code of the failure."""
    with Recipe.load(f"{MODELS}{text}\n").ready(cache=False) as ensemble:
        try:
            return ensemble("Why?").answer
        except Failure as failure:
            return failure.code


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("step", sorted(set(STEPS) - {"longest", "top"}))
def test_those_that_answered_decide(step, case):
    if step in {"select", "consensus"} and "is empty" in case:
        pytest.skip("what is chosen depends on the scores")
    assert answered(f"{CASES[case]} -> {STEPS[step]}") in NUMBERS


@pytest.mark.parametrize("step", STEPS)
def test_nobody_answers(step):
    """Where all fail, so does the step, with the reason of each."""
    failing = "[broken, broken(max_tokens = 4)]"
    assert answered(f"{failing} -> {STEPS[step]}") == "E716"
    assert answered(f"({failing} -> {STEPS[step]}) | A") == "it is 5"


@pytest.mark.parametrize("step", STEPS)
def test_all_abstain(step):
    """A vote has nothing to count; what ranks or writes anew goes by the texts."""
    given = "[silent, silent(max_tokens = 4)] -> extract(number())"
    expected = "E705" if step in VOTES else "it is 5" if step == "regenerate" else "no idea"
    assert answered(f"{given} -> {STEPS[step]}") == expected


@pytest.mark.parametrize("step", sorted(VOTES))
def test_an_empty_answer_is_no_vote(step):
    """Two members that say nothing do not outvote one that does."""
    twice = "[empty, empty(max_tokens = 4), C]"
    assert answered(f"{twice} -> {STEPS[step]}") == "it is 6"
    assert answered(f"[empty, empty(max_tokens = 4)] -> {STEPS[step]}") == "E705"


@pytest.mark.parametrize("step", STEPS)
def test_letters_of_any_script_and_very_long_answers(step):
    assert answered(f"[snow, snow(max_tokens = 99)] -> {STEPS[step]}") in {"☃ é 5 日本", "it is 5"}
    assert answered(f"[long(max_tokens = 9000), long(max_tokens = 9999)] -> {STEPS[step]}") in {
        f"{'word ' * 5000}5",
        "it is 5",
    }


def test_a_judge_that_says_nothing_is_a_failure_with_a_reason():
    assert answered("[A, C] -> rank(silent) -> best()") == "E701"
    assert answered("([A, C] -> rank(silent) -> best()) | B") == "it is 5"


def test_a_step_without_candidates_is_a_mistake():
    with pytest.raises(Mistakes):
        Recipe.load(f"{MODELS}vote()\n")
