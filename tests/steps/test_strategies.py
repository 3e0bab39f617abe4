"""Prompt strategies that make a member of a model: thinking first, parts in order, passages."""

import asyncio
import json
import math

import pytest

from composer.backends.fake import Fake
from composer.methods import PartError
from composer.methods.retrieval import best_passages
from composer.recipe import Recipe
from composer.specs import Declared
from composer.steps.strategies import retrieve, solve_in_order
from composer.values import Query, Text

PASSAGES = ["red fox", "blue fish and red fish", "green tree"]


@pytest.fixture(params=["txt", "jsonl"])
def passages(request, tmp_path):
    path = tmp_path / f"passages.{request.param}"
    lines = (json.dumps({"text": text}) + "\n" for text in PASSAGES)
    text = "".join(lines) if request.param == "jsonl" else "\n\n".join(PASSAGES) + "\n"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_passages_are_ranked_by_bm25(passages):
    (first, score), (second, _) = best_passages(passages, "Which red fish?", 3, "bm25")
    assert (first, second) == ("blue fish and red fish", "red fox")
    norm = 1.2 * (0.25 + 0.75 * 5 / 3)  # 5 words, 3 in the mean
    rare, common = math.log(1 + 2.5 / 1.5), math.log(1 + 1.5 / 2.5)
    assert score == pytest.approx(rare * 2 * 2.2 / (2 + norm) + common * 2.2 / (1 + norm))


def test_passages_may_be_ranked_by_tfidf_and_may_be_none(passages):
    ((text, score),) = best_passages(passages, "tree", 3, "tfidf")
    assert (text, score) == ("green tree", pytest.approx(math.sqrt(0.5)))
    assert best_passages(passages, "nothing", 3, "bm25") == []


@pytest.mark.parametrize(
    ("name", "content"), [("a.txt", " \n"), ("b.jsonl", '{"words": 1}\n'), ("c.txt", "!!\n\n--\n")]
)
def test_a_file_without_passages_is_an_error(tmp_path, name, content):
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    with pytest.raises(PartError) as caught:
        best_passages(str(path), "x", 1, "bm25")
    assert caught.value.code == "E504"


def test_a_changed_file_is_read_again(tmp_path):
    path = tmp_path / "p.txt"
    path.write_text("old words", encoding="utf-8")
    best_passages(str(path), "words", 1, "bm25")
    path.write_text("new words here", encoding="utf-8")
    assert best_passages(str(path), "words", 1, "bm25")[0][0] == "new words here"


def test_what_is_looked_up_is_a_field_of_the_question(passages, ask):
    query = asyncio.run(retrieve(Query.of("green?", other=1), passages, k=1, ask=ask))
    assert (query.text, dict(query.fields)) == ("green?", {"other": 1, "passages": ["green tree"]})
    assert ask.notes["passages"] == ["green tree"]


def test_parts_are_solved_in_order_each_with_those_before_it(ask, query):
    plan = Text(query, "1. How many?\n\n- Which ones?\n(3) Never asked", "A")
    answer = asyncio.run(solve_in_order(plan, Declared("B", Fake()), most=2, ask=ask))
    prompts = [prompt for _, prompt, _ in ask.calls]
    assert prompts == [
        "Why?\n\nQ: How many?\nA:",
        "Why?\n\nQ: How many?\nA: B1\n\nQ: Which ones?\nA:",
        "Why?\n\nQ: How many?\nA: B1\n\nQ: Which ones?\nA: B2\n\nQ: Why?\nA:",
    ]
    assert (answer.text, answer.query) == ("B3", query)


def test_an_empty_plan_leaves_the_question(ask, query):
    asyncio.run(solve_in_order(Text(query, "\n"), Declared("B", Fake()), ask=ask))
    assert [prompt for _, prompt, _ in ask.calls] == ["Why?\n\nQ: Why?\nA:"]


@pytest.mark.parametrize(
    ("member", "prompts"),
    [
        ("chain_of_thought(E)", ["step by step", "Therefore, the answer is:"]),
        ("least_to_most(E)", ["smaller questions", "Q: "]),
        ('with_context(E, "passages.txt")', ["green tree\n\nAnswer from the passages"]),
    ],
)
def test_a_strategy_makes_a_member_of_a_model(tmp_path, member, prompts):
    (tmp_path / "passages.txt").write_text("\n\n".join(PASSAGES), encoding="utf-8")
    path = tmp_path / "r.ens"
    name = member.split("(")[0]
    path.write_text(
        f'use "strategies.ens" ({name})\nmodel E = fake(style = "echo")\nmodel O = fake()\n'
        f"[m: {member}, O] -> rank(by = longest()) -> best()",
        encoding="utf-8",
    )
    recipe = Recipe.load(path)
    assert recipe.check() == ()
    with recipe.ready() as ensemble:
        answer = ensemble("Is the tree green?").answer
    assert "Is the tree green?" in answer
    assert prompts[-1] in answer
