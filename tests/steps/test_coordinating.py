"""Turns by hand: a scripted router, and heads whose numbers are chosen."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from composer.backends.fake import Fake
from composer.diagnostics import Mistakes
from composer.methods.coordinators.dialogue import Dialogue, described
from composer.methods.coordinators.roles import ROLES, Roles, extras
from composer.methods.estimators.shapes import Lengthy
from composer.methods.mistakes import PartError
from composer.recipe import Recipe
from composer.specs import Declared
from composer.steps.coordinating import coordinate
from composer.values import Fitted, ModelError, Query, State, Text

WHY = Query.of("Why?")
ROUTER = Declared("M", Fake())


class Scripted:
    """Answers each model's calls by its script; the last line of a script goes on."""

    def __init__(self, **scripts):
        self.scripts = {name: list(script) for name, script in scripts.items()}
        self.asked, self.notes = [], {}

    async def generate(self, model, query, sampling, *, draft=False):
        del sampling, draft
        self.asked.append((model.name, query.text))
        script = self.scripts[model.name]
        said = script.pop(0) if len(script) > 1 else script[0]
        if isinstance(said, Exception):
            raise said
        return Text(query, said, model.name)

    async def compute(self, function):
        return function()

    def note(self, **facts):
        self.notes.update(facts)


def names_asked(ask):
    return "".join(name for name, _ in ask.asked)


def lead(run, ask, by, members="AB", query=WHY, **how):
    models = [Declared(name, Fake()) for name in members]
    return run(coordinate(query, *models, by=by, ask=ask, **how))


DIALOGUE = Dialogue(router=ROUTER)


def test_a_router_asks_by_name_reads_the_reply_and_answers(run):
    ask = Scripted(M=["<think>Hm.</think><search>B: How?", "<answer> so </answer>"], B=[" thus "])
    text = lead(run, ask, DIALOGUE)
    assert (text.text, text.source, text.query) == ("so", "M", WHY)
    assert [each for each in ask.asked if each[0] == "B"] == [("B", "How?")]
    assert ask.asked[-1][1].count("<search>B: How?</search>\n<information>thus</information>") == 1
    assert ask.notes["turns"] == [{"asked": "B", "what": "How?", "said": " thus "}]
    assert ask.notes["ended"] == "answer"


def test_what_is_written_after_the_first_action_is_not_read(run):
    made_up = "<search>A: x</search><information>no</information><answer>no</answer>"
    ask = Scripted(M=[made_up, "<answer>yes</answer>"], A=["real"])
    assert lead(run, ask, DIALOGUE).text == "yes"
    assert "<information>no" not in ask.asked[-1][1]


def test_a_name_is_read_whatever_its_case(run):
    ask = Scripted(M=["<search>b : How?</search>", "<answer>so</answer>"], B=["x"])
    lead(run, ask, DIALOGUE)
    assert names_asked(ask) == "MBM"


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        ("I think it is so.", "That was neither"),
        ("<search>How?</search>", "That was neither"),
        ("<search>A:</search>", "That was neither"),
        ("<search>Z: How?</search>", "Nobody is called Z"),
        ("<answer></answer>", "That was neither"),
    ],
)
def test_a_reply_in_another_form_costs_a_turn_and_the_router_is_told(run, bad, told):
    ask = Scripted(M=[bad, "<answer>so</answer>"])
    assert lead(run, ask, DIALOGUE).text == "so"
    assert told in ask.asked[-1][1]
    assert told in ask.notes["turns"][0]["why"]


def test_after_the_last_turn_the_router_is_asked_once_more(run):
    ask = Scripted(M=["<search>A: a"] * 2 + ["<answer>so</answer>"], A=["x"])
    assert lead(run, ask, DIALOGUE, turns=2).text == "so"
    assert names_asked(ask) == "MAMAM"
    assert "You can ask 2 more times." in ask.asked[0][1]
    assert "You can ask 1 more time." in ask.asked[2][1]
    assert "You cannot ask any more." in ask.asked[4][1]
    assert ask.notes["ended"] == "turns"


def test_without_an_answer_the_last_information_is_the_answer(run):
    ask = Scripted(M=["<search>A: a", "<search>B: b"], A=["x"], B=["y", "z"])
    text = lead(run, ask, DIALOGUE, turns=3)
    assert (text.text, text.source, text.query) == ("z", "B", WHY)


def test_without_any_information_the_step_fails(run):
    ask = Scripted(M=["mumble"])
    with pytest.raises(PartError, match="had no answer after 2 turns") as failed:
        lead(run, ask, DIALOGUE, turns=2)
    assert failed.value.code == "E705"


def test_a_member_that_fails_costs_its_turn(run):
    gone = ModelError("E701", "the server is gone")
    ask = Scripted(M=["<search>A: a", "<search>B: b", "<answer>so</answer>"], A=[gone], B=["y"])
    assert lead(run, ask, DIALOGUE).text == "so"
    assert "<information>A cannot answer now.</information>" in ask.asked[-1][1]
    assert ask.notes["turns"][0]["said"] == "[E701] the server is gone"


def test_a_router_that_fails_leaves_the_last_information(run):
    ask = Scripted(M=["<search>A: a", ModelError("E701", "gone")], A=["x"])
    assert lead(run, ask, DIALOGUE).text == "x"
    assert ask.notes["failed"] == {"M": "[E701] gone"}
    with pytest.raises(ModelError, match="gone"):
        lead(run, Scripted(M=[ModelError("E701", "gone")]), DIALOGUE)


def test_the_members_are_described_by_the_recipe_or_by_their_cards(run):
    ask = Scripted(M=["<answer>so</answer>"])
    lead(run, ask, Dialogue(router=ROUTER, descriptions=("knows maths", "knows words")))
    assert "- A: knows maths\n- B: knows words" in ask.asked[0][1]
    assert described(Declared("A", Fake(price=(1.0, 2.5)))) == (
        "a model of the kind fake, 2.5 $ for a million tokens"
    )


FEATURES = (Lengthy(),)
NUMBERS = 1 + extras(2)  # the length; last member (2), last role (3), answered, constant


def roles(*entries, **options):
    """A head over members A and B: each entry is (row, column, weight)."""
    part = Roles(features=FEATURES, **options)
    weights = np.zeros((2 + len(ROLES), NUMBERS), np.float32)
    for row, column, weight in entries:
        weights[row, column] = weight
    head = State({"weights": weights})
    joined = State.join(features=part.fit_features(["a", "abc"]), head=head)
    state = State(joined.arrays, {**joined.facts, "part": "roles", "names": ["A", "B"]})
    return part.bound(Fitted.of(("A", "B"), 2, state=state))


A, B, THINKER, WORKER, VERIFIER = range(5)
LAST_A, LAST_B, LAST_THINKER, LAST_WORKER, LAST_VERIFIER, ANSWERED, ALWAYS = range(1, NUMBERS)

IN_TURN = (
    (THINKER, ALWAYS, 1),
    (WORKER, LAST_THINKER, 3),
    (VERIFIER, LAST_WORKER, 5),
    (WORKER, LAST_VERIFIER, 4),
    (A, ALWAYS, 1),
    (B, LAST_THINKER, 2),
)
"""A plans, B works, A verifies; after a verifier, A works again."""


def test_a_thinker_plans_a_worker_answers_and_a_verifier_accepts(run):
    ask = Scripted(A=["First add.", "Right. [[accept]]"], B=["42"])
    text = lead(run, ask, roles(*IN_TURN))
    assert (text.text, text.source, text.query) == ("42", "B", WHY)
    assert [(t["asked"], t["role"]) for t in ask.notes["turns"]] == [
        ("A", "thinker"),
        ("B", "worker"),
        ("A", "verifier"),
    ]
    assert ask.notes["ended"] == "answer"
    plan, work, check = (prompt for _, prompt in ask.asked)
    assert "Plan how to answer" in plan
    assert "A plan for the answer:\nFirst add." in work
    assert "[Answer]\n42\n[End of the answer]" in check


def test_a_verifier_that_does_not_accept_lets_them_go_on(run):
    ask = Scripted(A=["Plan.", "Wrong. [[continue]]", "43", "[[accept]]"], B=["42"])
    assert lead(run, ask, roles(*IN_TURN), turns=5).text == "43"
    assert "What a reviewer says of it:\nWrong. [[continue]]" in ask.asked[3][1]


def test_an_unreadable_verdict_does_not_accept(run):
    ask = Scripted(A=["Plan.", "It may be."], B=["42"])
    lead(run, ask, roles(*IN_TURN), turns=3)
    assert ask.notes["ended"] == "turns"


def test_a_verifier_may_accept_by_giving_the_same_answer(run):
    ask = Scripted(A=["Plan.", " 42 "], B=["42"])
    assert lead(run, ask, roles(*IN_TURN, verdict="same")).text == "42"
    assert ask.notes["ended"] == "answer"


def test_nobody_verifies_before_there_is_an_answer(run):
    ask = Scripted(A=["x"], B=["y"])
    lead(run, ask, roles((VERIFIER, ALWAYS, 9), (THINKER, ALWAYS, 1)), turns=1)
    assert [t["role"] for t in ask.notes["turns"]] == ["worker"]


@given(st.lists(st.floats(-3, 3, width=32), min_size=5 * NUMBERS, max_size=5 * NUMBERS))
def test_whatever_the_head_there_is_a_worker_and_no_verifier_before_it(weights):
    import asyncio

    numbers = [(at // NUMBERS, at % NUMBERS, weight) for at, weight in enumerate(weights)]
    ask = Scripted(A=["[[accept]]"], B=["b"])
    lead(asyncio.run, ask, roles(*numbers), turns=3)
    said = [t["role"] for t in ask.notes["turns"]]
    assert "worker" in said
    assert "verifier" not in said[: said.index("worker")]
    assert len(said) <= 3


def test_where_nobody_can_answer_the_failure_is_told(run):
    gone = ModelError("E701", "gone")
    with pytest.raises(ModelError, match="gone"):
        lead(run, Scripted(A=[gone], B=[gone]), roles(*IN_TURN))


def test_members_are_found_by_name_in_the_fit(run):
    ask = Scripted(A=["First add.", "[[accept]]"], B=["42"])
    lead(run, ask, roles(*IN_TURN), members="BA")
    assert names_asked(ask) == "ABA"
    with pytest.raises(ModelError, match="but now there is C"):
        lead(run, Scripted(C=["x"]), roles(*IN_TURN), members="AC")


ZOO = """
model A = zoo("maths")
model B = zoo("text")
model M = fake(says = "<search>A: What is 17 plus 25?</search>")
"""


def recipe(tail, models=ZOO):
    return Recipe.load(f"{models}\n{tail}")


def test_calls_that_are_used_up_end_it_with_the_answer_so_far():
    with recipe("coordinate(A, B, by = dialogue(M), calls = 2)").ready() as ensemble:
        result = ensemble("Hello")
    (event,) = [e for e in result.trace.events if e.op == "coordinate"]
    assert (result.answer, event.notes["ended"], event.notes["calls"]) == ("42", "calls", 2)


@pytest.mark.parametrize(
    ("tail", "code", "said"),
    [
        ("coordinate(by = dialogue(M))", "E206", "needs models to ask"),
        ("coordinate(A, B, by = dialogue(M), calls = 1)", "E403", "a turn takes 2"),
        ('coordinate(A, B, by = dialogue(M, descriptions = ["x"]))', "E403", "1 description for 2"),
        ("coordinate(A, B, by = dialogue(M), turns = 0)", "E402", "must be at least 1"),
    ],
)
def test_mistakes_are_found_before_anything_runs(tail, code, said):
    with pytest.raises(Mistakes) as found:
        recipe(tail)
    assert [each.code for each in found.value.diagnostics] == [code]
    assert said in str(found.value)


def test_roles_that_are_not_fitted_are_refused():
    with pytest.raises(Mistakes, match=r"`roles` in .* is not fitted yet"):
        recipe("coordinate(A, B, by = roles())").ready()
