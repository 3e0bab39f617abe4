"""A branch that fails does not end an answer: the others go on, and it is said who failed."""

import pytest

from composer.run import Failure
from composer.run.counts import PartialAnswerCount

MODELS = """
model A = fake(says = "a", confidence = 0.9)
model B = fake(says = "b", confidence = 0.4)
model C = fake(says = "c", confidence = 0.7)
model say = fake(style = echo)
model broken = fake(fails = true)
model late = fake(says = "late", seconds = 1000, timeout = 0.2)
model hurt = fake(fails = true)
"""
ANY = "default bank(min = 1)\n"


@pytest.fixture
def answer(ready):
    """Answer a question with a recipe over the models above."""
    return lambda text, **how: ready(text, models=MODELS, **how)("Why?")


@pytest.fixture
def fails(answer):
    """Return the failure of a recipe."""

    def run(text, **how):
        with pytest.raises(Failure) as caught:
            answer(text, **how)
        return caught.value

    return run


def said(result):
    return [(each.branch, each.error[:6]) for each in result.failed]


@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("[broken, A, B] -> vote(ties = first())", "a"),
        ("[A, late, B] -> vote(ties = first())", "a"),
        ("[A, broken, B] -> rank(by = longest(), ties = first) -> best()", "a"),
        ("[A, broken, B] -> extract(whole()) -> vote(ties = first())", "a"),
        ("[broken, A, B, A] -> select(say)", "a"),
        ('[A, broken, B] -> regenerate(say, template = """{{ answers }}""")', "1. a\n2. b"),
        ('[A, broken, B] -> prompt("""{% for a in answers %}{{ a.name }} {% endfor %}""") -> say',
         "A B"),
        ("[x: broken, y: A, z: B] -> rank(by = longest(), ties = first) -> best()", "a"),
        ("[[A, broken], B] -> vote(ties = first())", "a"),
        ("[[A, B], [C, broken]] -> vote(ties = first())", "a"),
        ("[[A, B] -> vote(ties = first()), broken, [C, A] -> vote()] -> vote(ties = first())", "a"),
        ("route(by = uniform(), policy = several(k = 3)) -> [broken, A, B] -> vote(ties = first())",
         "a"),
        ("[A, B, broken] -> vote(ties = first())", "a"),
        (ANY + "[A, broken] -> vote()", "a"),
        (ANY + "[broken, broken, hurt, A] -> vote()", "a"),
        ("default bank(min = 2)\n[A, broken, broken, B] -> vote(ties = first())", "a"),
    ],
)  # fmt: skip
def test_the_others_go_on(answer, text, right, plain):
    result = answer(text, plain=plain)
    assert result.answer == right
    assert result.failed


@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize(
    "text",
    [
        "[A, broken] -> vote()",
        "[A, broken, hurt] -> vote()",
        "[A, B, broken, hurt] -> vote()",
        "default bank(min = all)\n[A, B, C, broken] -> vote()",
        "default bank(min = 3)\n[A, B, broken] -> vote()",
        "default bank(min = 9)\n[A, broken] -> vote()",
        "[[A, broken], [B, hurt]] -> vote()",
        "route(by = uniform(), policy = several(k = 2)) -> [broken, A] -> vote()",
        (
            "default bank(min = all)\ndefault vote(soft = true)\n"
            "[[A, B] -> vote(), [broken, C] -> vote()] -> vote()"
        ),
    ],
)
def test_too_few_are_an_error_that_names_each(fails, text, plain):
    failure = fails(text, plain=plain)
    assert failure.code == "E716"
    assert "`broken`" in failure.message
    assert "E701" in failure.message
    assert ("`hurt`" in failure.message) == ("hurt" in text)
    assert failure.result.failed


def test_a_number_of_answers_is_checked_where_it_is_written(load):
    from composer.diagnostics import Mistakes

    for text, code in [
        ("default bank(min = 0)", "E402"),
        ('default bank(min = "some")', "E401"),
        ("default bank(most = 1)", "E203"),
        ("default choose_many(min = 1)", "E202"),
    ]:
        with pytest.raises(Mistakes) as caught:
            load(f"{text}\n[A, B] -> vote()")
        assert [each.code for each in caught.value.diagnostics] == [code], text


def test_how_many_must_answer_can_be_set_from_outside(load):
    recipe = load("[A, broken] -> vote()", settings={"default.bank.min": "1"})
    with recipe.ready() as ensemble:
        assert ensemble("?").answer == "a"


def test_the_place_itself_may_say_how_many_draws_are_enough(ready):
    models = 'model M = fake(knows = [["?", "m"]])\n'
    with pytest.raises(Failure):
        ready("sample(broken, 3, min = 1) -> vote()")("?")
    assert ready("sample(M, 3, min = all) -> vote()", models=models)("?").answer == "m"


def test_it_is_said_who_failed_and_why(answer):
    result = answer("[A, broken, late, B, C] -> vote()")
    assert said(result) == [("broken", "[E701]"), ("late", "[E702]")]
    told = result.as_dict()["failed"]
    assert [each["branch"] for each in told] == ["broken", "late"]
    assert "failed" not in answer("A").as_dict()
    (event,) = (each for each in result.trace.events if each.op == "bank")
    assert list(event.notes["failed"]) == ["broken", "late"]
    assert any("failed: broken [E701]" in line for line in result.trace.lines())


def test_it_is_counted_and_told_once(ready):
    ensemble = ready("[A, broken, B] -> vote()", models=MODELS)
    partial = PartialAnswerCount()
    list(partial.counting(ensemble.map(["1", "2", "3"])))
    assert (partial.partial, partial.counts) == (3, {"broken": 3})
    warning = partial.warning()
    assert warning.code == "W702"
    assert "3 of 3 answers" in warning.message
    assert "`broken`, 3 times, first: [E701]" in warning.message
    assert PartialAnswerCount().warning() is None


@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("[broken, A, B] -> vote(weights = [9, 1, 2])", "b"),
        ("[A, broken, B] -> vote(weights = [2, 9, 1])", "a"),
        ("[A, B, broken] -> vote(weights = [1, 2, 9])", "b"),
        ("[x: broken, y: A, z: B] -> vote(weights = [9, 1, 2])", "b"),
        ("[[broken, A], B] -> vote(weights = [9, 1, 2])", "b"),
        ("[A, [B, broken], C] -> vote(weights = [1, 2, 9, 3])", "c"),
        ("[A, broken, B] -> extract(whole()) -> vote(weights = [1, 9, 2])", "b"),
        ("[sample(broken, 2), A, B] -> vote(weights = [9, 9, 1, 2])", "b"),
        ("[A, sample(broken, 2), B] -> vote(weights = [1, 9, 9, 2])", "b"),
        ("[sample(A, 2), broken, B] -> vote(weights = [1, 1, 9, 3])", "b"),
        # Of three in order of their lengths the two that answered have the first two weights.
        (('[broken, A, B -> prompt("""longer""") -> say] -> rank(by = longest()) -> top(3)'
         " -> vote(weights = [1, 3, 9])"), "a"),
    ],
)  # fmt: skip
def test_weights_follow_those_that_answered(answer, text, right, plain):
    assert answer(text, plain=plain).answer == right


def test_the_weight_of_a_route_follows_those_that_answered(answer):
    text = "route(by = length(threshold = 1), policy = several(k = 3)) -> [A, {}, broken]"
    text += " -> vote(routed = true)"
    result = answer(text.format("B"))
    weights = {name: w for name, w in result.decision.items() if name != "broken"}
    assert result.answer == max(weights, key=weights.get).lower()


def test_a_judge_sees_those_that_answered_alone(answer):
    template = '"""{{ answers[0].name }}{{ answers[1].name }} [[{{ "A" if answers[0].name == "C" '
    template += 'else "B" }}]]"""'
    text = f"[broken, A, C] -> rank(say, by = judge(template = {template})) -> best()"
    assert answer(text).answer == "c"


def test_the_names_of_draws_do_not_move_up(ready, monkeypatch):
    from composer.backends.fake import FakeClient

    calls, made = [], FakeClient.generate

    async def second_fails(self, request, on_text=None):
        calls.append(1)
        if len(calls) == 2:
            raise RuntimeError("no")
        return await made(self, request, on_text)

    monkeypatch.setattr(FakeClient, "generate", second_fails)
    text = 'sample(A, 3) -> prompt("""{{ answers[0].name }} {{ answers[1].name }}""") -> say'
    result = ready(text)("?")
    assert result.answer == "A A#3"
    assert said(result) == [("A#2", "[E701]")]


@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize(
    ("text", "right", "failed"),
    [
        ("cascade(broken, A)", "a", ["broken"]),
        ("cascade(late, A)", "a", ["late"]),
        ("broken -> cascade(A)", "a", ["broken"]),
        ("cascade(broken, hurt, A)", "a", ["broken", "hurt"]),
        ("cascade(B, broken)", "b", ["broken"]),
        ("cascade(B, late)", "b", ["late"]),
        ("B -> cascade(broken)", "b", ["broken"]),
        ("cascade(B, broken, A)", "a", ["broken"]),
        ("cascade(broken, B, hurt)", "b", ["broken", "hurt"]),
        ("cascade(broken, A, B)", "a", ["broken"]),
        ("cascade(broken, A, accept = true)", "a", ["broken"]),
        ("[A, broken] -> vote() -> cascade(C)", "c", ["broken", "r4"]),
    ],
)
def test_a_cascade_goes_on_behind_what_fails(answer, text, right, failed, plain):
    result = answer(text, plain=plain)
    assert result.answer == right
    assert {each.branch for each in result.failed} >= set(failed[:1])


def test_a_cascade_judges_an_attempt_once(answer):
    result = answer("cascade(B, broken, hurt, A)")
    (event,) = (each for each in result.trace.events if each.op == "cascade")
    assert [each["by"] for each in event.notes["stages"]] == ["B"]
    assert result.answer == "a"


def test_a_cascade_whose_attempts_all_fail_names_each(fails):
    failure = fails("cascade(broken, late)")
    assert failure.code == "E716"
    assert "`broken`: [E701]" in failure.message
    assert "`late`: [E702]" in failure.message


def test_a_rule_that_fails_cannot_be_known(answer, monkeypatch):
    from composer.methods import Confidence

    def fails(*_):
        raise RuntimeError("no")

    monkeypatch.setattr(Confidence, "measure", fails)
    result = answer("cascade(A, B)")
    assert result.answer == "b"
    assert said(result) == [("accept", "[E701]")]


def test_a_spent_budget_is_no_branch_that_fails(load):
    models = 'model P = fake(says = "p", price = [1e6, 1e6])\nmodel A = fake(says = "a")\n'
    for text in ["[A, P, A(top_k = 1)] -> vote()", "cascade(A, P, accept = false)"]:
        ready = load(text, models=models).ready(budget=0.5)
        with ready as ensemble, pytest.raises(Failure) as caught:
            ensemble("?")
        assert caught.value.code == "E709"
