import pytest

from composer.methods import TEMPLATES, Template, TemplateError, check
from composer.values import Candidates, Query, Ranking, Text

QUERY = Query.of("Why?", topic="sky")
PAIR = Candidates(QUERY, (Text(QUERY, "one", "A"), Text(QUERY, "two", "B")))


def render(text, value=QUERY):
    return Template(text=text).render(value)


def test_a_query_is_filled_in():
    assert render("{{ query }} Think.") == "Why? Think."


def test_fields_are_reached_by_name():
    assert render("{{ fields.topic }}") == "sky"


def test_messages_have_role_and_content():
    query = Query((("system", "Be brief."), ("user", "Hi")))
    text = "{% for m in messages %}{{ m.role }}: {{ m.content }}; {% endfor %}"
    assert render(text, query) == "system: Be brief.; user: Hi; "


def test_answers_have_a_name_and_write_themselves():
    text = "{% for a in answers %}{{ loop.index }} {{ a.name }} {{ a }};{% endfor %}"
    assert render(text, PAIR) == "1 A one;2 B two;"


def test_the_answer_is_the_last():
    assert render("{{ answer }}", PAIR) == "two"
    assert render("{{ answer }}", Text(QUERY, "only")) == "only"


def test_the_answer_of_a_ranking_is_the_best():
    ranking = Ranking(QUERY, PAIR.texts, (2.0, 1.0), ("A", "B"))
    assert render("{{ answer }} {{ answers[0].score }}", ranking) == "one 2.0"


def test_an_extracted_value_is_seen():
    assert render("{{ answers[0].value }}", Text(QUERY, "so 7", value="7", extracted=True)) == "7"


def test_answers_are_shown_with_the_question_that_the_recipe_was_given():
    prompted = QUERY.asking("Aggregate these", PAIR)
    assert render("{{ query }}", Text(prompted, "x")) == "Why?"


def test_a_prompted_query_still_knows_its_answers():
    prompted = QUERY.asking("Aggregate these", PAIR)
    assert render("{{ query }} {{ answers | length }}", prompted) == "Aggregate these 2"


def test_a_name_that_is_not_there_says_what_is():
    with pytest.raises(TemplateError) as caught:
        render("{{ answer }}")
    assert "`answer`" in caught.value.message
    assert caught.value.help == "it may use `query`, `messages`, `fields`, `fields.topic`"


def test_a_field_that_is_not_there_is_an_error():
    with pytest.raises(TemplateError, match="`colour`"):
        render("{{ fields.colour }}")


def test_values_are_never_read_as_templates():
    assert render("{{ query }}", Query.of("{{ 1 + 1 }}")) == "{{ 1 + 1 }}"


@pytest.mark.parametrize(
    "text",
    [
        "{{ query.__class__ }}",
        "{{ ''['__class__'].mro() }}",
        "{{ query | attr('__class__') }}",
        "{% set x = messages.append(1) %}{{ x }}",
        "{{ 1 / 0 }}",
        "{% for i in range(10 ** 9) %}{% endfor %}",
    ],
)
def test_what_a_sandbox_forbids_is_an_error_of_ours(text):
    with pytest.raises(TemplateError):
        render(text)


def test_a_text_on_lines_of_its_own_loses_its_indentation():
    assert render("\n    a\n      b\n    ") == "a\n  b"


def test_a_text_on_one_line_is_left_alone():
    assert render("  a ") == "  a "


def test_a_good_template_has_no_mistakes():
    assert check("{{ query }} {% for a in answers %}{{ a.text }}{% endfor %}") == []


def test_a_syntax_error_has_its_line():
    [(message, line)] = check("a\n{{ query")
    assert line == 2
    assert "unexpected end of template" in message


def test_an_unknown_filter_is_found_without_rendering():
    [(message, line)] = check("a\nb\n{{ query | shout }}")
    assert (message, line) == ("no filter named `shout`", 3)


def test_an_unknown_name_is_found_with_advice():
    assert check("\n{{ quer }}") == [
        ("unknown variable `quer` in the template: did you mean `query`?", 2)
    ]


@pytest.mark.parametrize(
    "text",
    [
        "{{ query.__class__ }}",
        "{{ query['__class__'] }}",
        "{{ query | attr('__class__') }}",
        "{{ answers | map(attribute='__class__') }}",
    ],
)
def test_reaching_inside_is_found(text):
    assert check("\n" + text) == [("a template may not use `__class__`", 2)]


def test_loading_another_file_is_found():
    assert check("{% include 'x' %}") == [("a template may not load another file", 1)]


@pytest.mark.parametrize("name", TEMPLATES)
def test_shipped_templates_are_sound(name):
    assert check(TEMPLATES[name].text) == []


# A grader fills in `judge_answer`, the step `solve_in_order` the next question, and a cascade the
# questions that were solved before; `coordinate` fills in its turns.
TURNS = {"dialogue", "thinker", "worker", "verifier"}
FILLED = {"judge_answer", "subquestion", "demonstrations", *TURNS}
STEPS = {"affirm_step", "judge_step"}
LAST_ANSWER = {"plain", "refine", "judge_score", "verify", "earlier_answer", *STEPS}


@pytest.mark.parametrize("name", [name for name in TEMPLATES if name not in FILLED])
def test_shipped_templates_show_the_question_and_the_answers(name):
    text = TEMPLATES[name].render(PAIR)
    assert "Why?" in text or name == "references"  # the question follows in a message of its own
    assert "{" not in text
    if name not in LAST_ANSWER:
        assert text.index("\none\n" if "judge" in name else "one") < text.rindex("two")


def test_the_aggregate_prompt_word_for_word():
    lines = TEMPLATES["aggregate"].render(PAIR).splitlines()
    assert lines[4:] == ["Responses:", "", "1. one", "", "2. two", "", "Question:", "Why?"]


def test_brackets_that_nest_too_deep_are_refused():
    assert check("{{ " + "[" * 5000 + "]" * 5000 + " }}") == [
        ("the brackets of the template are nested too deep", 1)
    ]


def test_checking_computes_nothing():
    assert check("{{ 9 ** 9 ** 9 ** 9 }}") == []


def test_answers_write_themselves_as_a_numbered_list():
    assert render("{{ answers }}", PAIR) == "1. one\n2. two"
