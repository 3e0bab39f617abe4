import pytest

from composer.diagnostics import did_you_mean, nearest

OPTIONS = ["temperature", "max_tokens", "top_p", "seed", "stop"]


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("temprature", "temperature"),
        ("Temperature", "temperature"),
        ("TEMPERATURE", "temperature"),
        ("temperatrue", "temperature"),
        ("temp", "temperature"),
        ("maxTokens", "max_tokens"),
        ("max-tokens", "max_tokens"),
        ("tokens", "max_tokens"),
        ("sede", "seed"),
        ("stpo", "stop"),
    ],
)
def test_a_slip_finds_the_word_that_was_meant(word, meant):
    assert nearest(word, OPTIONS) == meant


@pytest.mark.parametrize("word", ["x", "banana", "", "seventeen"])
def test_an_unlike_word_finds_nothing(word):
    assert nearest(word, OPTIONS) is None


def test_short_names_are_not_taken_for_each_other():
    assert nearest("D", ["A", "B", "C"]) is None


def test_two_swapped_letters_are_a_slip_even_in_a_short_name():
    assert nearest("fh", ["hf", "zoo"]) == "hf"


def test_a_difference_of_case_wins_over_any_other():
    assert nearest("VOTE", ["note", "vote"]) == "vote"


def test_a_word_is_never_its_own_correction():
    assert nearest("seed", ["seed"]) is None


def test_the_cutoff_can_be_stricter():
    assert nearest("sede", OPTIONS, cutoff=0.1) is None


def test_did_you_mean_names_the_nearest():
    assert did_you_mean("temprature", OPTIONS) == "did you mean `temperature`?"


def test_did_you_mean_lists_all_when_none_is_near():
    assert did_you_mean("zebra", ["b", "a"]) == "one of: `a`, `b`"


def test_did_you_mean_stops_listing_somewhere():
    said = did_you_mean("zebra", [f"name{i:02}" for i in range(40)])
    assert said.endswith("`name11` and 28 more")


def test_did_you_mean_is_silent_without_candidates():
    assert did_you_mean("zebra", []) == ""


def test_a_very_long_word_is_compared_quickly():
    assert nearest("a" * 100_000, [f"step{i}" for i in range(500)]) is None
