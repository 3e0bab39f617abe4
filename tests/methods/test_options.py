"""The letter of a multiple-choice answer is read out of prose, or nothing is."""

import pytest

from composer.methods import Option

PLACES = {"choices": ["York", "New York", "Oslo", "Bern"]}


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("the correct option is (C)", "C"),
        ("I would choose D.", "D"),
        ("C is the best answer.", "C"),
        ("The right one is C", "C"),
        ("<answer>C</answer>", "C"),
        ("The answer is: (A) 5, because (B) is 6", "A"),
        ("The answer is A. However, B could also be argued.", "A"),
        ("I was going to say A, but the answer is B", "B"),
        ("I believe the correct answer to be C", "C"),
        ("Answer is $\\boxed{\\text{B}}$", "B"),
        ("(A) Paris\n(B) Rome\n\nAnswer: B", "B"),
        ("D. Paris", "D"),
    ],
)
def test_what_is_stated_is_read(text, letter):
    assert Option().read(text) == letter


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("not A but B", "B"),
        ("The answer isn't B, it's C.", "C"),
        ("The answer is not A.", None),
        ("A is incorrect, B is wrong, C is right", "C"),
        ("Neither A nor B is right; C fits.", "C"),
        ("Rather than B, I pick A", "A"),
        ("We can rule out A and B, so C.", "C"),
        ("Options A, B and D can be ruled out.", None),
        ("Correct option: B. Incorrect options: A, C, D", "B"),
        ("None of A, B, C is right; D", "D"),
        ("The answer is A. Wait, actually it's B.", "B"),
        ("Vitamin C is good for you", None),
        ("(A) is wrong. (B) is wrong. (C) is also wrong.", None),
    ],
)
def test_what_is_ruled_out_is_not_read(text, letter):
    assert Option().read(text) == letter


@pytest.mark.parametrize(
    "text",
    ["Both A and C are correct", "The answer is A or B.", "Answer: A, B", "(A) Paris (B) Rome"],
)
def test_several_letters_abstain(text):
    assert Option().read(text) is None


def test_options_that_are_only_listed_are_no_answer():
    assert Option().read("(A) Paris\n(B) Rome\n(C) Oslo\n(D) Bern") is None


def test_several_letters_can_be_wanted():
    assert Option(many=True).read("Answer: C and A") == "AC"
    assert Option(many=True).read("Answer: C") == "C"


@pytest.mark.parametrize(
    ("text", "letter"),
    [("It is New York.", "B"), ("oslo", "C"), ("b", "B"), ("Paris", None), ("Oslo or Bern", None)],
)
def test_the_text_of_an_option_stands_for_its_letter(text, letter):
    assert Option().read_answer(text, PLACES) == letter
    assert Option().read_answer(text, {"options": dict(enumerate(PLACES["choices"]))}) == letter


def test_a_row_may_have_more_options_than_letters_were_named():
    assert Option().read_answer("answer: F", {"choices": list("uvwxyz")}) == "F"
