"""Spans of models behind servers: each boundary, branches, and whole texts."""

import pytest
from small_server import serving

import composer
from composer import zoo

QUESTION = "Sort the words pear, fig, lemon."
SPANS = [
    "span = words(2)",
    "span = tokens(3)",
    "span = common()",
    "span = margin(below = 0.7, most = 2)",
    "explore = branches(width = 2, below = 1)",
    "span = margin(), explore = branches(below = 1), filter = outliers(), score = share()",
]


@pytest.fixture(scope="module")
def served():
    with serving(zoo.folder("general-1")) as url:
        yield url


def declared(url, able="echo: true, prompt_ids: true, top: 5"):
    options = f'url = "{url}", tokenizer = "{zoo.folder("general-1")}", api = completions'
    options += f", probe = false, abilities = [{able}]"
    return f'model A = endpoint("general-1", {options})\n'


def answered(url, fuse, local='zoo("general-2")'):
    recipe = declared(url) + f"model B = {local}\nlet fused = {fuse}\nfused(max_tokens = 24)"
    result = composer.load(recipe)(QUESTION)
    ((*spans,),) = [a.spans for event in result.trace.events for a in event.asked if a.spans]
    return result, spans


def test_spans_ask_for_no_least_number_of_tokens_unless_an_answer_has_one():
    with serving(zoo.folder("general-1"), lacks="min_tokens") as url:
        recipe = composer.load(
            declared(url) + 'model B = zoo("maths")\n'
            "let fused = span_fuse(A, B)\nfused(max_tokens = 2)"
        )
        assert recipe("What is 2 + 2?").answer


@pytest.mark.parametrize("options", SPANS)
def test_a_member_behind_a_server_proposes_what_it_would_here(served, options):
    there, spans = answered(served, f"span_fuse(A, B, {options})")
    local = 'model A = zoo("general-1")\nmodel B = zoo("general-2")\n'
    fuse = f"let fused = span_fuse(A, B, {options})\nfused(max_tokens = 24)"
    here = composer.load(local + fuse)(QUESTION)
    ((*own,),) = [a.spans for event in here.trace.events for a in event.asked if a.spans]
    assert spans[0].candidates == own[0].candidates
    assert there.answer == here.answer


def test_a_common_piece_of_a_server_and_another_tokenizer(served):
    result, spans = answered(served, "span_fuse(A, B, span = common())", 'zoo("other")')
    assert len(spans) > 1
    assert "".join(span.text for span in spans) == result.text.text


@pytest.mark.parametrize(
    ("able", "fuse", "message"),
    [
        ("echo: true, prompt_ids: true", "span = common()", "needs the tokenizer of `A`"),
        ("echo: true, prompt_ids: true", "span = margin()", "reads the 2 likeliest tokens"),
        ("echo: true, top: 2", "explore = branches()", "tells 2 likeliest tokens at most"),
    ],
)
def test_what_a_server_does_not_tell_is_refused(able, fuse, message):
    text = declared("http://127.0.0.1:9/v1", able) + 'model B = zoo("maths")\n'
    text += f"span_fuse(A, B, {fuse})"
    with pytest.raises(composer.Mistakes, match=message) as error:
        composer.load(text)
    assert "E302" in [each.code for each in error.value.diagnostics]
