import time

import pytest

from composer.methods import PartError, Pattern
from composer.sandbox.patterns import PatternError, PatternTimeout, compile_pattern, find_matches


@pytest.mark.parametrize("pattern", [r"(a|aa)+$", r"(.*?,){25}x", r"(?R)"])
def test_a_catastrophic_pattern_ends(pattern):
    before = time.thread_time()
    with pytest.raises(PatternTimeout):
        find_matches(pattern, "a" * 40 + ",a" * 40 + "!", seconds=0.2)
    assert time.thread_time() - before < 2


def test_a_reader_says_which_pattern_takes_too_long(monkeypatch):
    monkeypatch.setattr("composer.sandbox.patterns.find_matches", _never)
    with pytest.raises(
        PartError, match=r"`\(a\|aa\)\+\$` takes too long on an answer of 3"
    ) as caught:
        Pattern(regex="(a|aa)+$").read("aab")
    assert caught.value.code == "E702"


def _never(*_):
    raise PatternTimeout


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("((a{1000}){1000}){1000}", "repetitions"),
        ("(?:a{9999}){,9999}", "repetitions"),
        ("(?:a|b){99999}", "repetitions"),
        ("(" * 2000 + "a" + ")*" * 2000, "nested too deep"),
        ("a" * 10_001, "more than 10,000"),
        ("(?V1)[a--b]", "flags"),
        ("(a", r"the `\(` at character 1 is never closed"),
    ],
)
def test_a_pattern_that_cannot_be_compiled_is_refused_in_words(pattern, why):
    with pytest.raises(PatternError, match=why):
        compile_pattern(pattern)


@pytest.mark.parametrize(
    "pattern", [r"\d{4}-\d{2}-\d{2}", r"[{(]\{9999999\}{2}", r".{0,1000}foo.{0,50}", "a{,b}"]
)
def test_counted_repetitions_of_common_patterns_are_fine(pattern):
    assert compile_pattern(pattern).groups == 0


def test_a_timeless_pattern_finds_what_re_finds():
    assert [m[1] for m in find_matches(r"#### (-?\d+)", "#### 4\n#### -7")] == ["4", "-7"]
