"""Graders: an answer is right, wrong, or cannot be graded, and the grade says what was compared."""

import json
import re
from functools import partial

import pytest

from composer.compiler.graph import read_part
from composer.diagnostics import Mistakes
from composer.methods import Grade, Grader, PartError, Submission
from composer.sandbox import patterns

CHOICES = {"choices": ["the sun", "a star", "the moon"]}


def measured(how, answer, *references, **fields):
    return read_part(how, Grader, "--how").measure(Submission(answer, references, "", fields))


@pytest.mark.parametrize(
    ("how", "answer", "reference", "score", "extracted"),
    [
        ("auto", "9 * $2 = $18.", "18", 1, "18"),
        ("auto", "18 or 19", "18", 0, "19"),
        ("contains", "18 or 19", "18", 1, None),
        ("auto", " Paris.", "paris", 1, None),
        ("auto", "It is Paris", "paris", 0, None),
        ("contains", "It is Paris", "paris", 1, None),
        ("exact", "18.0", "18", 0, None),
        ("numeric", "so 18.0", "n = 18", 1, "18"),
        ("numeric(tolerance = 0.01)", "about 99.5", "100", 1, "99.5"),
        ("numeric(reader = boxed())", r"\boxed{3}, not 4", "3", 1, "3"),
        ("numeric(reader = boxed())", "3", "3", 0, None),
        ('exact(reader = pattern("#### (.+)"))', "#### b", "B", 1, "b"),
        ("agreement(by = f1())", "the cat sat", "cat sat here", 0.8, None),
        ('regex("b+")', "abbc", "", 1, "bb"),
        ('regex("yes", whole = true, ignore_case = true)', "YES", "", 1, "YES"),
        ('regex("yes", whole = true)', "yes, but", "", 0, None),
        ("regex", "abbc", "b{2}", 1, "bb"),
        ("choice", "I take (B), since A is wrong.", "B", 1, "B"),
        ("choice", "I cannot say", "B", 0, None),
        ('choice(options = "12345")', "The answer is 5.", "5", 1, "5"),
    ],
)
def test_an_answer_is_graded(how, answer, reference, score, extracted):
    grade = measured(how, answer, *filter(None, [reference]))

    assert (grade.score, grade.extracted) == (pytest.approx(score), extracted)


@pytest.mark.parametrize("answer", ["C", "It is the moon, surely.", "THE MOON"])
@pytest.mark.parametrize("reference", ["C", "the moon"])
def test_an_option_may_be_given_by_its_text(answer, reference):
    assert measured("choice", answer, reference, **CHOICES).score == 1
    assert measured("choice", answer, "a star", **CHOICES).score == 0


def test_an_answer_that_names_two_options_names_none():
    grade = measured("choice", "the sun or the moon", "A", **CHOICES)

    assert (grade.score, grade.extracted) == (0, None)


def test_one_of_several_references_is_enough():
    assert measured("exact", "b", "a", "b") == Grade(1.0, None, "b")


@pytest.mark.parametrize("how", ["auto", "exact", "contains", "choice", "regex"])
def test_without_a_reference_a_comparison_has_no_grade(how):
    grade = measured(how, "x")

    assert (grade.score, grade.verdict) == (None, None)
    assert "no `reference`" in grade.reason


def test_a_reference_that_cannot_be_used_is_no_wrong_answer():
    assert "is no pattern" in measured("regex", "abc", "b(").reason
    assert "none of the options A, B, C, D" in measured("choice", "C", "2").reason


@pytest.fixture
def hurry(monkeypatch):
    """Stop patterns soon."""
    monkeypatch.setattr(patterns, "find_matches", partial(patterns.find_matches, seconds=0.05))


def test_a_pattern_that_takes_too_long_is_stopped(hurry):
    with pytest.raises(PartError, match="takes too long"):
        measured('regex("^(a|aa)+$")', "a" * 60 + "b")


@pytest.fixture
def schema(tmp_path, monkeypatch):
    """A schema in the working folder."""
    monkeypatch.chdir(tmp_path)
    fields = {
        "total": {"type": "number"},
        "name": {"type": "string", "pattern": "^(a|aa)+$"},
        "parts": {"type": "array"},
    }
    text = {"type": "object", "properties": fields, "required": ["total"]}
    (tmp_path / "s.json").write_text(json.dumps(text))
    return tmp_path


@pytest.mark.parametrize(
    ("answer", "score", "reason"),
    [
        ('{"total": 3}', 1, ""),
        ('So:\n```json\n{"total": 3}\n```\nas [asked].', 1, ""),
        ('I think [it] is {"total": 3}.', 0, "is not of type 'object'"),
        ('{"total": "3"}', 0, "$.total: '3' is not of type 'number'"),
        ('{"total": NaN}', 0, "holds no JSON"),
        ("[" * 5000, 0, "holds no JSON"),
        ("three", 0, "holds no JSON"),
    ],
)
def test_json_is_held_against_a_schema(schema, answer, score, reason):
    grade = measured('schema("s.json")', answer.replace("[it]", '["it"]'))

    assert grade.score == score
    assert reason in grade.reason


@pytest.mark.parametrize(
    ("field", "reference", "score"),
    [("total", "3", 1), ("total", "4", 0), ("parts", '["a", "b"]', 1), ("a.b", "3", 0)],
)
def test_a_field_is_compared_with_the_reference(schema, field, reference, score):
    answer = '{"total": 3.0, "parts": ["a","b"]}'

    assert measured(f'schema("s.json", field = "{field}")', answer, reference).score == score


def test_patterns_of_a_schema_are_stopped_too(schema, hurry):
    with pytest.raises(PartError, match="takes too long"):
        measured('schema("s.json")', json.dumps({"total": 1, "name": "a" * 60 + "b"}))


def test_a_schema_reads_nothing_from_elsewhere(schema):
    (schema / "far.json").write_text('{"$ref": "http://example.invalid/x"}')

    with pytest.raises(PartError, match="not in that file"):
        measured('schema("far.json")', "{}")


@pytest.mark.parametrize("content", ["{", '{"type": "objekt"}'])
def test_a_schema_that_is_none_is_a_mistake_where_it_is_written(schema, content):
    (schema / "bad.json").write_text(content)

    with pytest.raises(Mistakes, match="is no JSON"):
        read_part('schema("bad.json")', Grader, "--how")


@pytest.mark.parametrize(
    ("reply", "score"),
    [
        ("Same number. [[right]]", 1),
        ("[[wrong]] at first, but [[ Correct ]]", 1),
        ("[[7/10]]", 0.7),
        ("[[0.5]]", 0.5),
        ("[[7]]", None),
        ("right", None),
    ],
)
def test_a_verdict_is_read_from_a_judge(reply, score):
    judge = read_part('judge("j.ens")', Grader, "--how")
    submission = Submission("4", ("4",), "2 + 2?")
    grade = judge.grade(submission, lambda _, prompts: [reply] * len(prompts))

    assert grade.score == score
    assert reply in grade.reason


def test_a_judge_is_asked_in_both_orders_and_several_times():
    judge = read_part('judge("j.ens", swap = true, repeats = 2, scale = 10)', Grader, "--how")
    asked = []

    def ask(recipe, prompts):
        asked.append((recipe, prompts))
        return ["[[10]]", "[[4]]", "[[10]]", "[[4]]"]

    grade = judge.grade(Submission("four", ("4", "IV"), "2 + 2?"), ask)

    ((recipe, prompts),) = asked
    assert (grade.score, grade.verdict, recipe) == (pytest.approx(0.7), "partly", "j.ens")
    assert prompts[:2] == prompts[2:]
    first, second = (re.findall(r"^\[(\w+)", prompt, re.MULTILINE) for prompt in prompts[:2])
    assert first == ["Question", "Reference", "End", "Answer", "End"]
    assert second == ["Question", "Answer", "End", "Reference", "End"]


@pytest.mark.parametrize(
    ("how", "message", "place"),
    [
        ("numric", "did you mean `numeric`", "1:1"),
        ('regex("(a")', "never closed", "1:7"),
        ("numeric(reader = 3)", "expected a reader", "1:18"),
        ("boxed()", "`boxed` is a reader", "1:1"),
        ('regex("a"', "is never closed", "1:6"),
    ],
)
def test_a_slip_is_shown_where_it_stands(how, message, place):
    with pytest.raises(Mistakes) as caught:
        read_part(how, Grader, "--how")

    assert message in str(caught.value)
    assert f"--how:{place}" in str(caught.value)
