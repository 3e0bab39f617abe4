"""Models that reason aloud answer without their thoughts."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from composer.backends.hf import HF
from composer.specs import Declared, thinking_of
from composer.values import Query
from composer.values.thinking import Thinking, ThoughtFilter

ZOO = Path(__file__).parents[2] / "composer" / "zoo" / "models"
THINK = Thinking(("think",))
OPENED = Thinking(("think",), opened=True)


@pytest.mark.parametrize(
    ("thinking", "text", "answer", "thoughts"),
    [
        (THINK, "<think>7? no, 8.</think>\n\n8", "8", "7? no, 8."),
        (THINK, "7? no, 8.</think>8", "8", "7? no, 8."),
        (THINK, "<think>7? no, 8.", None, "7? no, 8."),
        (THINK, "8 ", "8 ", ""),
        (THINK, "<think></think>8", "8", ""),
        (THINK, "<think>a</think>one <think>b</think>two", "one two", "ab"),
        (THINK, "8 <think>or 7", None, "or 7"),
        (OPENED, "7? no, 8.</think>8", "8", "7? no, 8."),
        (OPENED, "<think>7?</think>8", "8", "7?"),
        (OPENED, "7? no, 8.", None, "7? no, 8."),
        (OPENED, "", None, ""),
        (Thinking(("reasoning", "think")), "<reasoning>7</reasoning>8", "8", "7"),
        (Thinking(("[THINK]",)), "[THINK]7[/THINK]8", "8", "7"),
    ],
)
def test_thoughts_are_split_from_the_answer(thinking, text, answer, thoughts):
    assert thinking.split(text) == (answer, thoughts)


@pytest.mark.parametrize("size", [1, 2, 3, 100])
@pytest.mark.parametrize(
    ("thinking", "text", "shown"),
    [
        (THINK, "<think>7? <no></think>\n\n8 < 9", "8 < 9"),
        (OPENED, "7? no.</think>8 <b>", "8 <b>"),
        (OPENED, "7? no.", ""),
        (THINK, "8 <thin", "8 <thin"),
    ],
)
def test_a_stream_holds_thoughts_back(thinking, text, shown, size):
    seen = []
    hider = ThoughtFilter(thinking, seen.append)
    for at in range(0, len(text), size):
        hider(text[at : at + size])
    hider.close()
    assert "".join(seen) == shown


ALOUD = """
model A = fake("<think>It may be 7.</think> 8", thinking = "think")
model B = fake("<think>It may be 9.</think> 8", thinking = "think")
model C = fake("<think>It is 7, no, 5", thinking = "think")
model D = fake("7")
model echo = fake(style = echo)
model J = fake("<think>[[B]] perhaps, no</think> [[A]]", thinking = "think")
"""


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("A", "8"),
        ("C", ""),
        ("A -> extract()", "8"),
        ("[A, B, D] -> vote()", "8"),
        ("[C, D] -> vote()", "7"),
        ("[C, C, D] -> extract() -> vote()", "7"),
        ("sample(A, 3) -> vote()", "8"),
        (
            '[A, C, D] -> prompt("""{% for a in answers %}<{{ a }}>{% endfor %}""") -> echo',
            "<8><><7>",
        ),
        ("[D, A] -> rank(J, by = judge(), ties = first()) -> best()", "7"),
        ('A -> regenerate(echo, template = """{{ answer }}""")', "8"),
    ],
)
def test_every_step_is_given_answers_without_thoughts(ready, text, answer):
    result = ready(text, models=ALOUD)("Why?")
    assert (result.answer or "") == answer


def test_the_trace_keeps_all_that_was_said(ready):
    result = ready("A", models=ALOUD)("Why?")
    [asked] = [each for event in result.trace.events for each in event.asked]
    assert asked.text == "<think>It may be 7.</think> 8"
    assert result.text.facts["thinking"] == "It may be 7."


def test_a_stream_shows_no_thoughts(ready):
    assert "".join(ready("A", models=ALOUD).stream("Why?")) == "8"


@pytest.mark.parametrize(
    ("template", "option", "thinking"),
    [
        ("<think>\n", "auto", OPENED),
        ("{{ '</think>' if false }}<think></think>", "auto", THINK),
        ("<think>\n", False, None),
        ("", "auto", None),
        ("[THINK]", "auto", Thinking(("[THINK]",), opened=True)),
        ("{# <seed:think> #}", "auto", Thinking(("seed:think",))),
        ("", True, THINK),
        ("", "reasoning", Thinking(("reasoning",))),
        (
            "{% if enable_thinking is false %}<think>\n\n</think>{% else %}<think>{% endif %}",
            "auto",
            OPENED,
        ),
    ],
)
def test_a_local_model_thinks_as_its_template_says(tmp_path, template, option, thinking):
    folder = shutil.copytree(ZOO / "maths", tmp_path / "m")
    all_of_them = "{% for m in messages %}{{ m.content }}{% endfor %}"
    (folder / "chat_template.jinja").write_text(all_of_them + template)
    model = HF(path=str(folder), thinking=option)
    assert model.reasoning == thinking
    closed = HF(path=str(folder), thinking=option, template_args=(("enable_thinking", False),))
    assert closed.reasoning is None or "enable" not in template or not closed.reasoning.opened


def test_a_raw_prompt_opens_no_block(tmp_path):
    folder = shutil.copytree(ZOO / "maths", tmp_path / "m")
    (folder / "chat_template.jinja").write_text("{{ messages[0].content }}<think>")
    model, query = Declared("m", HF(path=str(folder))), Query.of("8")
    assert thinking_of(model, query) == OPENED
    assert thinking_of(model, replace(query, raw=True)) == THINK
