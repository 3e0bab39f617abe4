"""The tokens of an answer are those of its text, whatever came before and behind it."""

import pytest

from composer.backends.endpoint.asking.answer_tokens import tokens_of
from composer.backends.endpoint.asking.replies import Choice, NamedToken, Position

PART = "\ufffd"


@pytest.mark.parametrize(
    ("names", "whole", "text", "stops", "expected"),
    [
        (["It", " is", "<eos>"], "It is", "It is", (), ["It", " is", ""]),
        (["It", " is"], "It is", "It is", (), ["It", " is"]),
        ([" It", " is"], "It is", "It is", (), [" It", " is"]),
        (["<eos>"], "", "", (), [""]),
        (["a", PART, PART, "b"], "a\u00e9b", "a\u00e9b", (), ["a", PART, PART, "b"]),
        (["a", PART, PART, "<eos>"], "a\u00e9", "a\u00e9", (), ["a", PART, PART, ""]),
        (["a", "", "", "b"], "a\u00e9b", "a\u00e9b", (), ["a", "", "", "b"]),
        (["It", " is", ".", " No"], "It is. No", "It is", (".",), ["It", " is"]),
        (["It", " is", ".\n"], "It is.", "It is.", ("\n",), ["It", " is", ".\n"]),
        (["It", " is", "\n"], "It is", "It is", ("\n",), ["It", " is"]),
        (["a", PART, PART, ".", "c"], "a\u00e9.c", "a\u00e9", (".",), ["a", PART, PART]),
        (["It", " was"], "It is", "It is", (), []),
        (["It"], "It is", "It is", (), []),
        ([], "It is", "It is", (), []),
    ],
)
def test_the_tokens_of_a_text(names, whole, text, stops, expected):
    positions = tuple(Position(NamedToken(name), -1.0) for name in names)
    kept = tokens_of(Choice(whole, "stop", positions), text, stops)
    assert [name for name, _ in kept] == expected


def test_the_tokens_of_thoughts_are_not_the_answers():
    names = ["<think>", "4", "2", "</think>", "4", "2", "<eos>"]
    positions = tuple(Position(NamedToken(name), -float(n)) for n, name in enumerate(names))
    kept = tokens_of(Choice("42", "stop", positions, "42"), "42", ())
    assert [(name, position.logprob) for name, position in kept] == [
        ("4", -4.0),
        ("2", -5.0),
        ("", -6.0),
    ]
