"""Checks that steps declare: what they see of a recipe, and where their complaints point."""

import pytest

from composer.backends import Capability
from composer.steps import Complaint, step
from composer.steps.declare import DECLARED
from composer.values import Candidates, Model, Text


@pytest.fixture
def check():
    """Declare a step `judged(M, ...)` with a check: `check(hook)`."""

    def declare(hook):
        @step()
        def judged(answers: Candidates, *judges: Model, n: int = 1) -> Text:
            """Keep one."""
            return answers.texts[n]

        judged.check(hook)

    yield declare
    del DECLARED["judged"]


SEVERAL = "route(by = random(), policy = several(k = 2))"


def under(diagnostic):
    place = diagnostic.place
    return place.source.text[place.start : place.end]


@pytest.mark.parametrize(
    ("about", "text"),
    [
        (lambda _: None, "judged(A, n = 2)"),
        (lambda _: "n", "2"),
        (lambda _: "unset", "judged(A, n = 2)"),
        (lambda site: site.inputs[0], "[A, B]"),
        (lambda site: site.models[0].leaves[0], "A"),
    ],
)
def test_a_complaint_points_to_what_it_is_about(check, mistakes, about, text):
    check(lambda site: iter([Complaint("E402", "no", about=about(site))]))
    (found,) = mistakes("[A, B] -> judged(A, n = 2)")
    assert under(found) == text


def test_a_check_sees_what_is_known_of_the_step(check, load):
    seen = {}

    def hook(site):
        (answers, judge), (model,) = site.inputs, site.models
        seen["step"] = (site.name, site.get("n"), site.count)
        seen["answers"] = (answers.count, [each.name for each in answers.writers], answers.voted)
        seen["model"] = (judge == model, model.name, Capability.SCORE in model.capabilities)
        seen["query"] = (answers.inputs[0].inputs[0].count, answers.inputs[0].inputs[0].weighed)
        return iter(())

    check(hook)
    load("[sample(A, 3), B] -> judged(C, n = 0)")
    assert seen == {
        "step": ("judged", 0, 1),
        "answers": (4, ["A", "B"], False),
        "model": (True, "C", False),
        "query": (None, False),
    }


def test_what_a_model_lacks_is_said_at_the_step(check, mistakes):
    check(lambda site: site.lacks(site.models[0], Capability.SCORE))
    (found,) = mistakes("[A, B] -> judged(A, n = 2)")
    assert (found.code, found.message) == (
        "E302",
        "`judged` needs scores of a given text, which `A` does not give",
    )


@pytest.fixture
def silent(tmp_path):
    """Declare X, whose recording has nothing of it."""
    (tmp_path / "r.jsonl").write_text('{"query": "q", "recorded": {"A": {"text": "a"}}}\n')
    return 'model X = recorded("r.jsonl", "nobody")\n'


@pytest.mark.parametrize(
    "text",
    [
        "X -> cascade(A)",
        "A -> cascade(X)",
        "X -> cascade(A, accept = agreement > 0.5)",
        "[X, A] -> rank()",
        "[A, B] -> rank(X) -> best()",
        "[X, A] -> rank(A, by = confident()) -> best()",
        "route -> [X, A]",
        "token_fuse(X, A)",
        "[A, B] -> select(X)",
    ],
)
def test_only_its_own_mistake_is_said_of_a_model_that_cannot_be_read(codes, silent, text):
    last = "" if text.endswith("best()") or "rank()" not in text else " -> best()"
    assert codes(f"{silent}{text}{last}") == ["E504"]


def test_a_vote_is_checked_though_a_model_cannot_be_read(codes, silent):
    assert codes(f"{silent}[X, A] -> vote(weights = [1])") == ["E504", "E403"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[A, B] -> vote(soft = true, until = decided())", "hands on the shares"),
        ("[A, B] -> vote(reduce = medoid(), until = decided())", "`reduce = medoid()`"),
        ("[A, B] -> vote(by = rouge(), until = decided())", "agree by degree"),
        ("[A, B] -> vote(by = numeric(), until = decided())", "`by = numeric()`"),
        ("[A, B] -> vote(ties = confident(), until = decided())", "`ties = confident()`"),
        ("[A, B] -> rank() -> top(2) -> vote(until = decided())", "`top` come all at once"),
        (f"[x: ({SEVERAL} -> [A, B, C]), C] -> vote(until = decided())", "how many"),
        ("default bank(min = all)\n[A, B] -> vote(until = decided())", "must answer"),
        ("sample(A, 3, min = all) -> vote(until = decided())", "must answer"),
    ],
)
def test_a_vote_that_cannot_stop_early_says_why(mistakes, text, why):
    (mistake,) = mistakes(text)
    assert (mistake.code, under(mistake)) == ("E403", "decided()")
    assert why in mistake.message
    assert mistake.help


@pytest.mark.parametrize(
    ("accept", "refused"),
    [
        ("thresholds(cost = 0.001)", True),
        ("certified(risk = 0.1, budget = 0.001)", True),
        ("thresholds()", False),
        ("certified(risk = 0.1)", False),
    ],
)
def test_what_limits_the_cost_asks_its_stages_in_turn(codes, accept, refused):
    models = 'model A = fake(says = "a", confidence = 0.5)\nmodel B = fake(says = "b")\n'
    found = codes(f"{models}cascade(A, B, accept = {accept}, ahead = true)")
    assert ("E403" in found) is refused
