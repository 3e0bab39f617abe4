import json
import math

import pytest
import torch
from fusing import LOGS, MEAN, Prompted, SpanFuse, TokenFuse, ask_prompt_score, ask_score

from composer.engine.sequence import SequenceState
from composer.values import ModelError

USER = ((("user", "Once upon a time"),),)


@pytest.fixture(scope="module")
def questions(data):
    lines = (data / "evaldata" / "gsm8k" / "test.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["question"] for line in lines[:100]]


def bits(engine, member, texts):
    scores = [future.result(120) for future in [ask_score(engine, member, None, t) for t in texts]]
    total = sum(score.total for score in scores)
    return -total / math.log(2) / sum(len(text.encode()) for text in texts)


@pytest.mark.parametrize(
    ("names", "combine", "expected"),
    [
        (["stories"], None, 2.931),
        pytest.param(["shakespeare"], None, 3.486, marks=pytest.mark.slow),
        pytest.param(["stories", "shakespeare"], MEAN, 2.780, marks=pytest.mark.slow),
        (["stories", "shakespeare", "maths"], LOGS, 2.224),
    ],
)
def test_bits_per_byte_of_questions(engine, whole, questions, names, combine, expected):  # noqa: PLR0913
    members = tuple(whole(name) for name in names)
    member = members[0] if combine is None else TokenFuse(members, tuple(names), combine=combine)
    assert bits(engine, member, questions) == pytest.approx(expected, abs=1e-3)


def test_score_of_an_answer_is_what_writing_it_gave(engine, model, write):
    made = write(model("stories"), "Once upon a time", max_tokens=10)
    score = ask_score(engine, model("stories"), USER, made.text).result(60)
    assert score.tokens == made.tokens
    assert score.logprobs == pytest.approx(made.logprobs, abs=1e-4)
    assert score.perplexity == pytest.approx(1 / made.confidence, rel=1e-3)


def test_score_under_a_fuse_is_what_writing_it_gave(engine, model, write):
    fuse = TokenFuse((model("stories"), model("rwkv")), ("a", "b"), (3.0, 1.0))
    made = write(fuse, "Once upon a time", max_tokens=10)
    score = ask_score(engine, fuse, USER, made.text).result(60)
    assert score.tokens == made.tokens
    assert score.logprobs == pytest.approx(made.logprobs, abs=1e-4)


def test_end_can_be_scored(engine, model, plain):
    one = plain(model("stories"))
    ids = [*one.prompt("Once upon a time"), *one.local.vocabulary.extend(b" there")]
    score = ask_score(engine, model("stories"), USER, " there", end=True).result(60)
    assert score.logprobs[-1] == pytest.approx(float(one.after(ids)[2]), abs=1e-4)


def test_prompt_perplexity_is_of_the_prompt_as_rendered(engine, zoo, plain):
    one = plain(zoo("maths"))
    ids = one.prompt("What is 12 plus 30?")
    expected = [float(one.after(ids[:n])[ids[n]]) for n in range(1, len(ids))]
    score = ask_prompt_score(engine, zoo("maths"), (("user", "What is 12 plus 30?"),)).result(60)
    assert score.logprobs == pytest.approx(expected, abs=1e-4)


def test_each_member_scores_under_its_own_prompt(engine, model, plain):
    one = plain(model("stories"))
    token = one.local.vocabulary.extend(b" there")
    both = TokenFuse((model("stories"), Prompted(model("stories"), 1)), ("a", "b"))
    prompts = (*USER, (("user", "Tom"),))
    p = [one.after(one.prompt(m[0][1])).exp()[token[0]] for m in prompts]
    score = ask_score(engine, both, prompts, " there").result(60)
    assert score.logprobs[0] == pytest.approx(math.log(sum(p) / 2), abs=1e-4)


def test_text_without_beginning_token_is_scored_from_the_second_piece(engine, model):
    score = ask_score(engine, model("rwkv"), None, "in a day").result(60)
    assert "".join(score.tokens) == "n a day"


def test_long_texts_are_read_in_stretches(engine, model, plain):
    text = "ab " * 300
    one = plain(model("rwkv"))
    score = ask_score(engine, model("rwkv"), None, text).result(60)
    assert len(score.logprobs) == len(text) - 1
    wanted = one.after(one.local.vocabulary.encode(text[:-1]))[ord(" ")]
    assert score.logprobs[-1] == pytest.approx(float(wanted), abs=1e-4)


def test_text_longer_than_the_context_is_an_error(engine, model):
    with pytest.raises(ModelError, match="longer than"):
        ask_score(engine, model("stories"), None, "dog " * 600).result(60)


def test_a_span_fuse_has_no_distribution(engine, model):
    fuse = SpanFuse((model("stories"),), ("a",))
    with pytest.raises(ModelError, match="puts texts together, so it has no score"):
        ask_score(engine, fuse, None, "dog").result(60)


@pytest.fixture
def broken_path(monkeypatch):
    """No member can write the text."""

    def fail(sequence, text):
        raise ModelError("E711", f"nobody can write {text!r}")

    monkeypatch.setattr(SequenceState, "encode", fail)


@pytest.mark.usefixtures("broken_path")
def test_a_text_that_nobody_can_write_gives_its_rows_back(engine, model):
    with pytest.raises(ModelError, match="nobody can write") as error:
        ask_score(engine, model("stories"), USER, "dog").result(60)
    assert error.value.code == "E711"
    (runner,) = engine._pool.get([model("stories")])
    assert runner.idle


@pytest.mark.parametrize("after", ["open", "fork"])
@torch.inference_mode()
def test_rows_that_cannot_all_be_opened_are_given_back(engine, model, monkeypatch, after):
    models = model("stories"), model("shakespeare")
    group = engine._group(TokenFuse(models, ("a", "b")))
    first, second = engine._pool.get(models)
    ids = {0: [1], 1: [1]}
    held = None if after == "open" else SequenceState.open(group, (0.5, 0.5), ids)

    def full(*_):
        raise MemoryError

    monkeypatch.setattr(second.rows, "allocate", full)
    before = len(first.rows.live)
    with pytest.raises(MemoryError):
        SequenceState.open(group, (0.5, 0.5), ids) if held is None else held.fork()
    assert len(first.rows.live) == before
    if held is not None:
        held.close()
