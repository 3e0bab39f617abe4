"""Spans that end by a regular expression."""

from functools import partial

import pytest
from pydantic import ValidationError

from composer.engine.sessions.span_parts import SpanText
from composer.methods.mistakes import PartError
from composer.methods.spans.matching import MatchedBoundary
from composer.sandbox import patterns


def end(regex, text):
    span = SpanText()
    span.add(text.encode())
    return MatchedBoundary(regex=regex).end(span)


@pytest.mark.parametrize(
    ("regex", "text", "expected"),
    [
        (";", "a; b; c", 2),
        (";", "a", None),
        (";", "a;", None),
        (r"\n+", "a\n\nb", 3),
        (r"\n+", "a\n\n", None),
        ("x*", "ab", None),
        ("; ?|é", "ça é b", 4),
    ],
)
def test_a_span_ends_behind_the_first_match_that_cannot_grow(regex, text, expected):
    assert end(regex, text) == expected


def test_a_pattern_that_is_none_is_refused():
    with pytest.raises(ValidationError, match="the pattern is not valid"):
        MatchedBoundary(regex="(")


def test_one_that_takes_too_long_is_an_error(monkeypatch):
    monkeypatch.setattr(patterns, "find_matches", partial(patterns.find_matches, seconds=0.05))
    with pytest.raises(PartError, match="takes too long"):
        end("(a|aa)+$", "a" * 60 + "b")
