"""A member behind a real server that fails in the middle of a span: what people read then."""

import re
from pathlib import Path

import pytest
from chaos_proxy import chaos
from small_server import serving

import composer
from composer import zoo

QUESTION = "Sort the words pear, fig, lemon."
KEPT = Path(__file__).parent / "golden" / "span_failures"
WHERE = {"at its prompt": 0, "while it scores": 1, "in the second span": 2}
CASES = [("broken", place) for place in WHERE] + [
    ("page", "in the second span"),
    ("hang", "in the second span"),
]


@pytest.fixture(scope="module")
def served():
    with serving(zoo.folder("general-1")) as url:
        yield url


def failing(url, options, timeout=60):
    able = "probe = false, abilities = [echo: true, prompt_ids: true, top: 5], retries = 0"
    recipe = (
        f'model A = endpoint("general-1", url = "{url}", timeout = {timeout}, api = completions, '
    )
    recipe += f'tokenizer = "{zoo.folder("general-1")}", {able})\n'
    recipe += 'model B = zoo("general-2")\nmodel C = zoo("other")\n'
    return composer.load(f"{recipe}span_fuse(A, B, C, span = words(1){options})")


def spans_of(result):
    ((*spans,),) = [a.spans for event in result.trace.events for a in event.asked if a.spans]
    return spans


@pytest.mark.parametrize(("fault", "place"), CASES)
def test_a_member_that_fails_leaves_or_ends_the_answer(served, golden, fault, place):
    after, timeout = WHERE[place], 1.5 if fault == "hang" else 60
    with chaos(served, share=1, only=[fault], after=after) as proxy:
        with pytest.raises(composer.Failure) as error:
            failing(proxy.url, "", timeout)(QUESTION)
        told = str(error.value)
    with chaos(served, share=1, only=[fault], after=after) as proxy:
        result = failing(proxy.url, ", leave = true", timeout)(QUESTION)
    (step,) = [step for step in result.trace.as_dict()["steps"] if "left" in step["notes"]]
    told += f"\n\nwith `leave = true`: {result.answer}\n{step['notes']['left']}"
    if place == "in the second span":
        golden(KEPT / f"{fault}.txt", re.sub(r"http://[0-9.:]+/v1", "URL", told))
    assert set(step["notes"]["left"]) == {"A"}
    shares = [set(span.weights) for span in spans_of(result)]
    before = after // 2
    assert shares == [{"A", "B", "C"}] * before + [{"B", "C"}] * (len(shares) - before)


def test_who_rests_is_not_asked_at_all(served):
    with chaos(served, share=0) as proxy:
        exit_ = ", exit = low_share(below = 1, over = 1, again = 0), max_span_tokens = 2"
        result = failing(proxy.url, exit_)(QUESTION)
        rounds = sum("A" in span.weights for span in spans_of(result))
        assert rounds < len(spans_of(result))
        assert proxy.requests == 2 * rounds
