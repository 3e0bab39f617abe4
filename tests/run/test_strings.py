"""String fusion as a recipe: its trace, its draws, and its mistakes."""

import pytest

import composer
from composer.diagnostics import Mistakes
from composer.run.trace_text import trace_lines

MODELS = 'model A = zoo("general-1")\nmodel B = zoo("other")\ndefault generate(max_tokens = 12)\n'
QUESTION = "What is 52 minus 37?"


@pytest.fixture
def run():
    """Answer a question by a recipe over two models."""

    def answer(text):
        with composer.load(MODELS + text).ready() as ensemble:
            return ensemble(QUESTION)

    return answer


def test_the_trace_has_the_strings_and_their_shares(run):
    result = run("string_fuse(A, B, f = mean(), particles = 6)")
    strings = result.text.facts["strings"]
    assert sum(each["share"] for each in strings) == pytest.approx(1.0)
    assert result.confidence == strings[0]["share"]
    (note,) = [e.notes["strings"] for e in result.trace.events if "strings" in e.notes]
    assert note == strings
    lines = [line for line in trace_lines(result.trace.as_dict()) if "of the weight" in line]
    assert len(lines) == len(strings)
    assert repr(strings[0]["text"]) in lines[0]


def test_draws_are_strings_of_their_own_and_can_be_voted_on(run):
    result = run(
        "sample(string_fuse(A, B, f = mean(), particles = 2), 3, temperature = 1) -> vote()"
    )
    assert result.answer


@pytest.mark.parametrize(
    "option", ["particles = 0", "resample = 2", "beam = 0", "prune = 1", "f = power()"]
)
def test_an_option_out_of_range_is_a_mistake(option):
    with pytest.raises(Mistakes) as found:
        composer.load(f"{MODELS}string_fuse(A, B, {option})")
    (mistake,) = found.value.diagnostics
    assert mistake.message.startswith(("`prune`", "`beam`", "`particles`", "`resample`", "`power`"))


def test_a_member_that_only_writes_texts_is_refused_with_advice():
    text = 'model A = zoo("general-1")\nmodel F = fake("x")\nstring_fuse(A, F)'
    with pytest.raises(Mistakes, match="E302") as found:
        composer.load(text)
    assert "vote()" in str(found.value)


def test_a_kept_answer_tells_the_same_strings(tmp_path):
    recipe = composer.load(f"{MODELS}string_fuse(A, B, f = mean(), particles = 2)")
    notes = []
    for _ in range(2):
        with recipe.ready(cache=tmp_path / "kept.sqlite") as ensemble:
            events = ensemble(QUESTION).trace.events
        notes += [event.notes["strings"] for event in events if "strings" in event.notes]
    assert notes[0] == notes[1]
