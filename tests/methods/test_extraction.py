import time

import pytest
from pydantic import ValidationError

from composer.methods import After, Boxed, Line, Number, Option, Pattern, Whole


def test_a_pattern_gives_its_group():
    assert Pattern(regex=r"#### (.+)").read("so\n#### 18\n") == "18"


def test_a_pattern_without_groups_gives_its_match():
    assert Pattern(regex=r"\d+").read("a 12 b 13") == "12"


def test_the_last_match_can_be_asked_for():
    assert Pattern(regex=r"\d+", which=-1).read("a 12 b 13") == "13"


def test_a_pattern_that_does_not_match_abstains():
    assert Pattern(regex=r"#### (.+)").read("nothing") is None
    assert Pattern(regex="a", which=3).read("a a") is None


def test_a_group_that_took_no_part_abstains():
    assert Pattern(regex="a(b)?").read("a") is None


def test_an_invalid_pattern_is_refused_in_words():
    with pytest.raises(ValidationError) as caught:
        Pattern(regex="(a")
    assert "the pattern is not valid: the `(` at character 1 is never closed" in str(caught.value)


def test_a_group_that_is_not_there_is_refused():
    with pytest.raises(ValidationError, match="no group 2; its number of groups is 1"):
        Pattern(regex="(a)", group=2)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("the answer is 18.", "18"),
        ("$1,250.00", "1250"),
        ("16 - 3 - 4 = 9 eggs", "9"),
        ("16-3", "3"),
        ("it is -5", "-5"),
        ("it is \u22125", "-5"),
        ("0.50", "0.5"),
        (".5", "0.5"),
        ("007", "7"),
        ("-0", "0"),
        ("100", "100"),
        ("1e3", "1000"),
        ("1, 2, 3", "3"),
        ("18446744073709551616", "18446744073709551616"),
        ("95%", "95"),
        ("answer: **42**", "42"),
        ("take x2 and y3", None),
        ("none", None),
    ],
)
def test_the_last_number_in_one_spelling(text, number):
    assert Number().read(text) == number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("-$4.50", "-4.5"),
        ("$-4.50", "-4.5"),
        ("\u2212\u20ac4.50", "-4.5"),
        ("-US$5", "-5"),
        (r"-\$4.50", "-4.5"),
        ("($4.50)", "-4.5"),
        ("It costs more ($4.50)", "4.5"),
        ("(5)", "5"),
        ("the answer is negative 5", "-5"),
        ("the answer is minus 5", "-5"),
        ("10 minus 5", "5"),
        ("**-5**.", "-5"),
        (r"\boxed{1{,}000}", "1000"),
        (r"1\,000 or 1,\!000", "1000"),
        ("1 000 000", "1000000"),
        ("12 000", "12000"),
        ("100 200 300", "300"),
        ("1'000", "1000"),
        ("1\u202f234", "1234"),
        ("1.234.567", "1234567"),
        ("1,234,567.89", "1234567.89"),
        (r"\boxed{-\dfrac{1}{2}}", "-0.5"),
        (r"\frac{-1}{3}", "-1/3"),
        (r"\frac34", "0.75"),
        (r"2\frac{1}{2}", "2.5"),
        ("3/4", "0.75"),
        ("2 1/2", "2.5"),
        ("-\u00bd", "-0.5"),
        ("2\u00bd", "2.5"),
        ("12/25/2020", "2020"),
        ("1.5 \u00d7 10^3", "1500"),
        (r"1.5 \times 10^{-3}", "0.0015"),
        ("2^10", "1024"),
        ("25 cm^2", "25"),
        (r"25\text{ cm}^{2}", "25"),
        (r"95\%", "95"),
        ("x_{12} = 5", "5"),
        ("$x = -5$", "-5"),
        ("16 - $3", "3"),
    ],
)
def test_numbers_are_read_in_every_dress(text, number):
    assert Number().read(text) == number


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        (r"\boxed{5}", "5"),
        (r"so \boxed{1} or rather $\boxed{\frac{1}{2}}$", r"\frac{1}{2}"),
        (r"\boxed{a\}b}", r"a\}b"),
        (r"\fbox{x} \fboxed {y}", "y"),
        (r"\boxed{1} and \boxed{2", "1"),
        (r"\boxed{1{,}000}", "1,000"),
        (r"\boxed{\text{Paris}}", "Paris"),
        (r"\boxed{{\boxed{3}}", "3"),
        ("no box", None),
    ],
)
def test_the_last_closed_box(text, inside):
    assert Boxed().read(text) == inside


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("B", "B"),
        ("b.", "B"),
        ("(C)", "C"),
        ("The answer is C.", "C"),
        ("The answer is (D) because A is wrong", "D"),
        ("Answer: **B**", "B"),
        (r"\boxed{\textbf{(B)}}", "B"),
        (r"The answer is $\textbf{(C)}$.", "C"),
        ("Answer: $B$", "B"),
        ("answer: b", "B"),
        ("Answer: (b).", "B"),
        ("The answer is a dog", None),
        ("The correct option is B. (A) is wrong.", "B"),
        ("A train leaves. A dog barks.", None),
        ("A train leaves, so C", "C"),
        ("I think it is (B), not (A)... no, (B)", "B"),
        ("It must be A.", "A"),
        (r"\boxed{D}", "D"),
        ("B is right", "B"),
        ("CAB and BAD", None),
        ("E", None),
    ],
)
def test_the_letter_of_a_choice(text, letter):
    assert Option().read(text) == letter


def test_the_options_are_the_recipes():
    assert Option(options="XYZ").read("surely Y") == "Y"
    assert Option(options="AB]^").read("it is B") == "B"


def test_the_last_line_that_says_something():
    assert Line().read("a\n\n b \n\n") == "b"
    assert Line(which=0).read("a\nb") == "a"
    assert Line(which=2).read("a\nb") is None


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("The answer is 12.", "12"),
        ("Answer: yes\nMore", "yes"),
        ("**Answer:** 7", "7"),
        ("The answer is **-5**.", "-5"),
        ("Answer: `x`", "x"),
        ("answer = 3.5", "3.5"),
        ("The final answer:\n\nParis", "Paris"),
        ("An answered question", None),
        ("the answer", None),
    ],
)
def test_what_follows_the_marker(text, rest):
    assert After().read(text) == rest


def test_a_marker_may_be_a_sign():
    assert After(marker="####").read("a\n#### 18") == "18"


def test_an_answer_that_begins_with_is_keeps_its_letters():
    assert After().read("answer: island") == "island"


def test_the_whole_text():
    assert Whole().read("  a b \n") == "a b"
    assert Whole().read(" \n") is None


@pytest.mark.parametrize(
    ("reader", "text"),
    [
        (Boxed(), r"\boxed{" * 20_000),
        (Option(), "answer" + " " * 100_000),
        (Option(), "A and " * 10_000),
        (Option(), "neither A nor " * 5_000),
        (Number(), "5^" * 20_000),
        (Number(), "\u00b2" * 20_000),
        (Number(), "1 000 " * 20_000),
        (Number(), r"\frac{" * 20_000),
    ],
)
def test_a_text_of_one_thing_many_times_is_read_at_once(reader, text):
    before = time.thread_time()
    reader.read(text)
    assert time.thread_time() - before < 3
