"""Asking, prompting, ranking and cascading, by hand."""

from collections import Counter

import pytest

from composer.backends.fake import Fake
from composer.methods import (
    Confidence,
    Constant,
    First,
    Length,
    Longest,
    Operation,
    Rule,
    Several,
    Template,
)
from composer.specs import Declared, prompts
from composer.steps.asking import generate, sample
from composer.steps.cascading import cascade
from composer.steps.fusing import byte_fuse
from composer.steps.prompting import prompt, prompted
from composer.steps.ranking import best, rank, regenerate, select, top
from composer.steps.routing import default_policy, route
from composer.steps.voting import extract
from composer.values import Candidates, Query, Ranking

SURE = Rule(Operation(">=", (Confidence(), Constant(0.5))))


def test_greedy_work_has_no_seed(run, ask, query, model):
    run(generate(query, model("A"), max_tokens=7, ask=ask))
    ((_, _, sampling),) = ask.calls
    assert (sampling.temperature, sampling.seed, sampling.max_tokens) == (0.0, 0, 7)


def test_each_draw_has_a_seed_of_its_own(run, ask, query, model):
    drawn = run(sample(query, model("A"), 4, ask=ask))
    assert len(drawn.texts) == 4
    assert drawn.names == ("A", "A#2", "A#3", "A#4")
    assert len({sampling.seed for *_, sampling in ask.calls}) == 4


def test_a_prompt_asks_anew_and_remembers(query, answers):
    asked = prompt(answers("a", "b"), Template(text="{{ query }} {{ answers | length }}"))
    assert asked.text == "Why? 2"
    assert asked.id == query.id
    assert asked.root is query


def test_a_prompt_may_set_a_system_message(query):
    asked = prompt(query, Template(text="x"), system=Template(text="Be brief."))
    assert asked.messages == (("system", "Be brief."), ("user", "x"))


def test_a_cascade_stops_at_the_first_accepted_answer(run, ask, branch, text):
    stages = branch(text("b", confidence=0.6), "B"), branch(text("c"), "C")
    said = run(cascade(text("a", confidence=0.4), *stages, accept=SURE, ask=ask))
    assert (said.text, [each.runs for each in stages]) == ("b", [1, 0])
    assert [stage["next"] for stage in ask.notes["stages"]] == ["B", None]


def test_what_cannot_be_known_is_not_accepted(run, ask, branch, text):
    said = run(cascade(text("a"), branch(text("b")), accept=SURE, ask=ask))
    assert said.text == "b"
    assert ask.notes["stages"][0]["accepted"] is None


def test_a_cascade_given_a_query_begins_with_its_first_stage(run, ask, branch, query, text):
    stages = branch(text("a", confidence=0.9)), branch(text("b"))
    assert run(cascade(query, *stages, accept=SURE, ask=ask)).text == "a"
    assert [each.runs for each in stages] == [1, 0]


def test_a_ranking_may_keep_the_order_of_equals(run, ask, answers):
    ranking = run(rank(answers("aa", "b", "cc"), by=Longest(), ties=First(), ask=ask))
    assert ranking.names == ("A", "C", "B")
    assert ask.notes["tie"] == ["aa", "cc"]
    assert list(ranking.scores) == sorted(ranking.scores, reverse=True)


def test_equals_come_first_equally_often(run, ask, answers):
    rankings = [
        run(rank(answers("aa", "b", "cc", "dd"), by=Longest(), ask=ask)) for _ in range(300)
    ]
    firsts = Counter(ranking.names[0] for ranking in rankings)
    assert set(firsts) == {"A", "C", "D"}
    assert min(firsts.values()) > 70
    assert {ranking.names[3] for ranking in rankings} == {"B"}


def test_top_and_best_take_from_the_front(query, text, ask):
    ranking = Ranking(query, (text("b"), text("a")), (2.0, 1.0), ("B", "A"))
    assert top(ranking, 1) == Candidates(query, (text("b"),), ("B",))
    assert best(ranking, ask=ask).text == "b"
    assert top(ranking, 9).names == ("B", "A")


@pytest.mark.parametrize(
    ("reply", "chosen"),
    [
        ("2", "b"),
        ("Of the 3 responses, response 2 agrees with most", "b"),
        ("Response 3 is best", "c"),
        ("9 or 2", "b"),
        ("none", "c"),
        ("7", "c"),
        ("1 or 2", "c"),
    ],
)
def test_a_selection_is_read_out_of_the_reply(run, ask, answers, reply, chosen):
    said = run(select(answers("a", "b", "c", "C "), Declared("J", Fake(says=reply)), ask=ask))
    assert said.text == chosen
    assert ask.notes["understood"] is (reply not in ("none", "7", "1 or 2"))


def test_a_new_answer_belongs_to_the_question_that_was_asked(run, ask, answers, model, query):
    said = run(regenerate(answers("a", "b"), model("J", "ab"), ask=ask))
    assert said.text == "ab"
    assert said.query is query


def test_reading_keeps_what_it_is_given(run, ask, answers, text, query):
    ranking = Ranking(query, (text("is 7"),), (1.0,), ("A",))
    assert run(extract(text("is 7"), ask=ask)).value == "7"
    assert run(extract(answers("is 7", "none"), ask=ask)).texts[1].answer is None
    assert run(extract(ranking, ask=ask)).scores == (1.0,)


def test_a_route_weighs_by_estimates(run, ask, query, model):
    models = (model("A"), model("BBB"))
    known = {"names": ("x", "y"), "aliases": ((), ()), "prices": (None, None)}
    decision = run(route(query, *models, **known, ask=ask))
    assert dict(decision.weights) == {"x": 1.0, "y": 0.0}
    assert dict(decision.estimates) == {"x": -1.0, "y": -3.0}
    several = run(route(query, by=Length(), policy=Several(k=2), **known, ask=ask))
    assert several.many
    assert sum(several.weights.values()) == pytest.approx(1)


def test_the_default_policy_depends_on_what_is_fed():
    assert default_policy(fused=False).name == "one"
    assert default_policy(fused=True).name == "blend"


def test_a_prompt_of_a_member_is_rendered_when_it_is_asked(model):
    first = prompted(model("A"), template=Template(text="1 {{ query }}"))
    second = prompted(model("B"), template=Template(text="2"))
    fuse = byte_fuse(first, model("C"), second, names=("x", "y", "z"))
    asked = [messages[-1][1] for messages in prompts(fuse, Query.of("q"))]
    assert asked == ["q", "1 q", "2"]


def test_a_query_that_nothing_was_made_from_is_its_own_root():
    assert Query.of("x").root == Query.of("x")
