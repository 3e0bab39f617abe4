"""Candidates are tried; those that pass come first, and the others do not vote."""

import json
from dataclasses import replace

import pytest
from walled import limits

from composer.methods import PartError
from composer.methods.code.verifying import Assertions, Examples, Following, Matching
from composer.steps.ranking import best
from composer.steps.verifying import verify
from composer.steps.voting import vote
from composer.values import Candidates, Query

TESTS = "assert double(2) == 4\nassert double(5) == 10"
WRONG, RIGHT, ALSO = (
    "def double(x): return x + 2",
    "def double(x): return x * 2",
    "```python\ndef double(x):\n    return 2 * x\n```",
)


def by_tests(script=TESTS, **options):
    return Assertions.model_validate({"tests": {"text": script}, "sandbox": limits(), **options})


def test_those_that_pass_come_first_and_the_others_do_not_vote(run, ask, answers):
    ranking = run(verify(answers(WRONG, RIGHT, ALSO, "def"), by=by_tests(), ask=ask))
    assert ranking.names == ("B", "C", "A", "D")
    assert ranking.scores == (1.0, 1.0, 0.5, 0.0)
    assert [text.answer is None for text in ranking.texts] == [False, False, True, True]
    assert ask.notes["passed"] == ["B", "C"]
    assert ask.notes["rejected"]["A"] == "1 test of 2 passed; not `double(5) == 10`"
    assert "SyntaxError" in ask.notes["rejected"]["D"]
    assert best(ranking, ask=ask).text == RIGHT
    candidates = Candidates(ranking.query, ranking.texts, ranking.names)
    assert run(vote(candidates, ask=ask)).source in {"B", "C"}


def test_a_limit_is_named(run, ask, answers):
    loop = "def double(x):\n    while x == 5: pass\n    return 2 * x"
    by = by_tests(sandbox=limits(seconds=0.7))
    assert run(verify(answers(loop), by=by, ask=ask)).scores == (0.5,)
    assert ask.notes["limits"] == {"A": "time"}


@pytest.mark.parametrize(
    ("otherwise", "standing"),
    [("closest", ["A"]), ("all", ["A", "B"]), ("none", [])],
)
def test_where_none_passes(run, ask, answers, otherwise, standing):
    given = replace(answers(WRONG, "triple = 3"), facts={"analysis": "both are wrong"})
    ranking = run(verify(given, by=by_tests(), otherwise=otherwise, ask=ask))
    assert (ranking.names, ranking.facts) == (("A", "B"), given.facts)
    pairs = zip(ranking.names, ranking.texts, strict=True)
    assert [name for name, text in pairs if text.answer is not None] == standing


def test_where_none_passes_it_may_fail(run, ask, answers, text):
    with pytest.raises(PartError) as caught:
        run(verify(answers(WRONG), by=by_tests(), otherwise="fail", ask=ask))
    assert caught.value.code == "E705"
    silent = Candidates(answers("a").query, (text("?", extracted=True),))
    with pytest.raises(PartError, match="nothing to verify: every answer abstained"):
        run(verify(silent, by=by_tests(), ask=ask))


def test_only_the_examples_of_the_question_count(run, ask, answers):
    given = answers(WRONG, RIGHT)
    for question, passed in (("double(2) == 4", ["A", "B"]), ("double(3) -> 6", ["B"])):
        query = Query.of(f"Write a function: {question}")
        asked = replace(given, texts=tuple(replace(t, query=query) for t in given.texts))
        run(verify(asked, by=Examples(sandbox=limits()), ask=ask))
        assert ask.notes["passed"] == passed
    run(verify(answers(RIGHT, "def"), by=Examples(sandbox=limits()), ask=ask))
    assert ask.notes["examples"] == 0
    assert ask.notes["passed"] == ["A"]


def test_examples_without_results_pass_where_they_run(run, ask, answers):
    query = Query.of("Write a function:\n>>> double(2)\n")
    given = answers(RIGHT, "triple = 3")
    asked = replace(given, texts=tuple(replace(t, query=query) for t in given.texts))
    run(verify(asked, by=Examples(sandbox=limits()), ask=ask))
    assert ask.notes["examples"] == 0
    assert ask.notes["passed"] == ["A"]
    assert "`double(2)`" in ask.notes["rejected"]["B"]


def test_the_row_gives_the_tests_and_what_the_program_begins_with(run, ask, text):
    fields = {"test": "def check(f):\n    assert f(2) == 4\n    assert True", "name": "double"}
    query = Query.of("?", prompt="def double(x):\n", **fields)
    given = Candidates(query, (replace(text("    return x * 2"), query=query),))
    script = "{{ fields.test }}\ncheck({{ fields.name }})"
    by = by_tests(script, program={"text": "{{ fields.prompt }}{{ answer }}"})
    assert run(verify(given, by=by, ask=ask)).scores == (1.0,)


def test_tests_without_a_test_are_a_mistake(run, ask, answers):
    with pytest.raises(PartError, match="there is no test"):
        run(verify(answers(RIGHT), by=by_tests("double(2)"), ask=ask))


def test_a_pattern_or_a_schema_may_verify(run, ask, answers, tmp_path):
    ranking = run(verify(answers("x", "12", "3"), by=Matching(regex="^[0-9]+$"), ask=ask))
    assert ranking.names == ("B", "C", "A")
    assert ask.notes["rejected"] == {"A": "it does not match `^[0-9]+$`"}
    pytest.importorskip("jsonschema")
    path = tmp_path / "answer.json"
    path.write_text(json.dumps({"type": "object", "required": ["n"]}))
    given = answers("none", '{"m": 1}', 'So: {"n": 1}')
    ranking = run(verify(given, by=Following(file=str(path)), ask=ask))
    assert ranking.names == ("C", "A", "B")
    assert ask.notes["rejected"]["A"] == "it holds no JSON"
