"""Greedy answers that repeat a draft: the same answers, in fewer passes."""

from dataclasses import replace

import pytest
from fusing import UNION, Part, TokenFuse, asking

from composer.values import Generate, Sampling

TEXT = "Once upon a time"


@pytest.fixture
def drafted(engine):
    """Answer one prompt with a draft: `drafted(member, "a text", max_tokens = 12)`."""

    def run(member, draft, *texts, **how):
        query = asking([(("user", text),) for text in texts or (TEXT,)])
        sampling = Sampling(**{"max_tokens": 32, **how})
        return engine.generate(Generate(member, replace(query, draft=draft), sampling)).result(60)

    return run


def passes(made):
    return sum(usage.calls for usage in made.usage.values())


@pytest.mark.parametrize("name", ["stories", "rwkv"])
def test_a_draft_that_is_the_answer_is_read_in_few_passes(model, write, drafted, name):
    plain = write(model(name), TEXT, max_tokens=32)
    made = drafted(model(name), plain.text)
    assert (made.text, made.tokens, made.finish) == (plain.text, plain.tokens, plain.finish)
    assert made.logprobs == pytest.approx(plain.logprobs, abs=1e-3)
    assert passes(made) <= 6 < passes(plain)
    assert made.facts["from_draft"] >= 24


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "Sam " + text,
        lambda text: text[:30] + " a blue cat " + text[40:],
        lambda text: text[20:],
        lambda text: text[::-1],
        lambda text: text.upper() + "\N{SNOWMAN}",
    ],
)
def test_any_draft_leaves_the_answer_as_it_is(model, write, drafted, change):
    plain = write(model("stories"), TEXT, max_tokens=32)
    made = drafted(model("stories"), change(plain.text))
    assert made.tokens == plain.tokens
    assert passes(made) <= passes(plain)
    assert made.usage["stories"].completion_tokens == plain.usage["stories"].completion_tokens


def test_an_answer_ends_where_it_would_end(zoo, write, drafted):
    question = "Add 17 and 25."
    plain = write(zoo("large"), question)
    assert plain.finish == "stop"
    for draft in (plain.text, plain.text[:1], plain.text + "0"):
        made = drafted(zoo("large"), draft, question)
        assert (made.tokens, made.finish) == (plain.tokens, "stop")
    short = drafted(zoo("large"), plain.text, question, max_tokens=1)
    assert (len(short.tokens), short.finish) == (1, "length")
    stopped = drafted(zoo("large"), plain.text, question, stop=(plain.text[-1],))
    assert stopped.text == plain.text[:-1]


def test_a_fuse_repeats_a_draft_too(model, write, drafted):
    fuse = TokenFuse((model("stories"), model("rwkv")), ("a", "b"), align=UNION)
    plain = write(fuse, TEXT, max_tokens=16)
    made = drafted(fuse, plain.text, max_tokens=16)
    assert made.tokens == plain.tokens
    assert passes(made) < passes(plain)


def test_what_is_drawn_or_gated_pays_no_heed_to_a_draft(model, write, drafted):
    member = model("stories")
    drawn = {"temperature": 1.0, "seed": 3, "max_tokens": 8}
    assert drafted(member, "the end", **drawn).tokens == write(member, TEXT, **drawn).tokens
    gated = TokenFuse((member, model("shakespeare")), ("a", "b"), gate=Part("gate.unsure"))
    assert "from_draft" not in drafted(gated, "the end", max_tokens=8).facts
