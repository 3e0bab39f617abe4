"""The zoo's skills: right answers, honest splits, repeatable streams."""

from __future__ import annotations

import re
from itertools import islice
from random import Random

import pytest

from composer.fit.zoo.maths import numeral
from composer.fit.zoo.skills import (
    HALVES,
    SKILLS,
    correct,
    draw,
    last_number,
    reference,
    split,
    stream,
)
from composer.fit.zoo.text import in_past, pluralise


def drawn(skill, count=300):
    rng = Random(skill)
    return [draw(skill, rng) for _ in range(count)]


def numbers(text):
    return [int(found) for found in re.findall(r"\d+", text)]


def test_there_are_two_halves_of_at_least_seven_skills():
    assert min(len(skills) for skills in HALVES.values()) >= 7
    assert sorted(SKILLS) == sorted(skill for skills in HALVES.values() for skill in skills)


@pytest.mark.parametrize("skill", SKILLS)
def test_a_skill_has_several_wordings_and_answers(skill):
    found = drawn(skill)
    assert len({one.query.split()[0] for one in found}) >= 2
    assert len({one.answer for one in found}) >= 2
    assert all(one.query and one.answer.strip() == one.answer for one in found)


@pytest.mark.parametrize("skill", SKILLS)
def test_a_query_has_one_answer(skill):
    known = {}
    for one in drawn(skill, 2_000):
        assert known.setdefault(one.query, one.answer) == one.answer


@pytest.mark.parametrize("skill", SKILLS)
def test_about_a_tenth_of_the_inputs_is_held_out(skill):
    rng = Random(1)
    contents = {SKILLS[skill](rng).content for _ in range(5_000)}
    held = sum(split(skill, content) != "train" for content in contents)
    assert 0.05 < held / len(contents) < 0.16


@pytest.mark.parametrize(
    ("skill", "value"), [("add", lambda a, b: a + b), ("mul", lambda a, b: a * b)]
)
def test_sums_and_products_are_right(skill, value):
    for one in drawn(skill):
        assert int(one.answer) == value(*numbers(one.query))


def test_differences_are_right():
    for one in drawn("sub"):
        a, b = sorted(numbers(one.query))
        assert int(one.answer) == b - a


def test_the_phrasing_of_the_tutorial_occurs():
    assert any(re.fullmatch(r"What is \d+ plus \d+\?", one.query) for one in drawn("add"))


def test_each_written_step_follows_from_the_one_before():
    for one in drawn("steps"):
        *lines, last = one.answer.split("\n")
        value = numbers(one.query)[0]
        for line in lines:
            left, right = line.split("=")
            first, sign, second = re.fullmatch(r"(\d+)([*+-])(\d+)", left).groups()
            assert int(first) == value
            a, b = int(first), int(second)
            value = int(right)
            assert value == {"+": a + b, "-": a - b, "*": a * b}[sign]
        assert last == f"answer {value}"
        assert reference(one) == str(value)


@pytest.mark.parametrize(("n", "text"), [(4, "IV"), (9, "IX"), (44, "XLIV"), (399, "CCCXCIX")])
def test_roman_numerals(n, text):
    assert numeral(n) == text


@pytest.mark.parametrize(
    ("noun", "many"), [("box", "boxes"), ("pony", "ponies"), ("toy", "toys"), ("cat", "cats")]
)
def test_plurals(noun, many):
    assert pluralise(noun) == many


@pytest.mark.parametrize(
    ("verb", "past"),
    [
        ("hop", "hopped"),
        ("hope", "hoped"),
        ("cry", "cried"),
        ("play", "played"),
        ("rain", "rained"),
    ],
)
def test_past_tenses(verb, past):
    assert in_past(verb) == past


def test_a_stream_repeats_for_one_seed():
    one, same, other = (list(islice(stream(list(SKILLS), seed), 50)) for seed in (1, 1, 2))
    assert one == same != other


def test_a_number_is_looked_for_at_the_end_of_an_answer():
    assert last_number("7+5=12\nanswer 12") == "12"
    assert last_number("none") is None
    assert correct("7+5=12\nanswer 12", "12")
    assert correct(" mal ", "mal")
    assert not correct("answer 12 or 13", "12")
