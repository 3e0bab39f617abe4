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
WHERE = {"at its prompt": 0, "at its second request": 1, "later": 2}
CASES = [("broken", place) for place in WHERE] + [
    ("page", "later"),
    ("hang", "later"),
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
    if place == "later":
        golden(KEPT / f"{fault}.txt", re.sub(r"http://[0-9.:]+/v1", "URL", told))
    assert set(step["notes"]["left"]) == {"A"}
    shares = [set(span.weights) for span in spans_of(result)]
    with_all = shares.count({"A", "B", "C"})
    assert bool(with_all) is (place != "at its prompt")
    assert shares == [{"A", "B", "C"}] * with_all + [{"B", "C"}] * (len(shares) - with_all)
    assert with_all < len(shares)


def test_who_rests_is_not_asked_at_all(served):
    with chaos(served, share=0) as proxy:
        exit_ = ", exit = low_share(below = 1, over = 1, again = 0), max_span_tokens = 2"
        result = failing(proxy.url, exit_)(QUESTION)
        rounds = sum("A" in span.weights for span in spans_of(result))
        assert rounds < len(spans_of(result))
        assert 0 < proxy.requests <= 2 * rounds
