"""Members that fail: a clear error that names them, or they leave where the fuse lets them."""

import pytest
import torch
from fusing import LOGS, UNION, Job, Part, SpanFuse, TokenFuse, ask_members

from composer.engine.sequence import SequenceState, prompt_tokens
from composer.specs import ByteFuse, Handoff
from composer.values import ModelError, Query, Sampling

TEXT = "Once upon a time"
NAMES = ("a", "b", "c")


@pytest.fixture(scope="module")
def three(model):
    return model("stories"), model("shakespeare"), model("maths")


def test_logits_that_are_no_numbers_name_the_member(three, write, broken):
    broken(three[1], 12)
    with pytest.raises(ModelError, match="b gave logits that are not numbers") as error:
        write(TokenFuse(three, NAMES), TEXT)
    assert error.value.code == "E704"


@pytest.mark.parametrize("weights", [None, (2.0, 1.0, 1.0)])
def test_such_a_member_leaves_and_the_others_go_on(three, write, broken, weights):
    fuse = TokenFuse(three, NAMES, weights, leave=True)
    whole = write(fuse, TEXT)
    rest = TokenFuse((three[0], three[2]), ("a", "c"), weights and (2.0, 1.0))
    broken(three[1], 12)
    made = write(fuse, TEXT)
    given = made.usage["b"].prompt_tokens
    before = 13 - given  # tokens written with b's help: it failed after the 13th it read
    assert made.tokens[:before] == whole.tokens[:before]
    again = write(rest, TEXT, prefix="".join(made.tokens[:before]), max_tokens=24 - before)
    assert "".join(made.tokens[before:]) == again.text
    assert made.left == {"b": "b gave logits that are not numbers"}
    assert whole.left == {}


def test_it_leaves_from_the_start_where_its_first_logits_are_none(three, write, broken):
    broken(three[0], 0)
    made = write(TokenFuse(three, NAMES, leave=True), TEXT)
    assert made.text == write(TokenFuse(three[1:], NAMES[1:]), TEXT).text
    assert set(made.left) == {"a"}


def test_only_the_job_that_failed_loses_a_member(engine, three, write, broken):
    fuse = TokenFuse(three, NAMES, leave=True)
    alone = write(fuse, TEXT, max_tokens=5)
    long = "Lily had a little dog. The dog was very happy and big."
    rest = write(TokenFuse(three[1:], NAMES[1:]), long, max_tokens=5)
    broken(three[0], 15)
    jobs = [Job(fuse, ((("user", text),),), Sampling(max_tokens=5)) for text in (TEXT, long)]
    short, lost = (future.result(60) for future in [engine.generate(job) for job in jobs])
    assert (short.text, short.left) == (alone.text, {})
    assert (lost.text, set(lost.left)) == (rest.text, {"a"})


def test_a_pass_that_raises_is_a_reason_to_leave(three, write, broken):
    broken(three[2], 0, MemoryError("no room on the device"))
    with pytest.raises(ModelError, match="no memory left"):
        write(TokenFuse(three, NAMES), TEXT)
    made = write(TokenFuse(three, NAMES, leave=True), TEXT)
    assert made.text == write(TokenFuse(three[:2], NAMES[:2]), TEXT).text
    assert made.left["c"].startswith("there is no memory left for a row of")


def test_the_last_member_cannot_leave(three, write, broken):
    for each in three:
        broken(each, 10)
    with pytest.raises(ModelError, match="gave logits that are not numbers"):
        write(TokenFuse(three, NAMES, leave=True), TEXT)


def test_a_lead_cannot_leave_and_its_follower_can(whole, write, broken):
    pair = whole("stories"), whole("shakespeare")
    gate = Part("gate.unsure", (("below", 0.9),))
    fuse = TokenFuse(pair, NAMES[:2], (0.0, 1.0), gate=gate, lazy=True, leave=True)
    alone = write(pair[0], TEXT)
    broken(pair[1], 0)
    made = write(fuse, TEXT)
    assert made.text == alone.text
    assert set(made.left) == {"b"}
    broken(pair[0], 12)
    with pytest.raises(ModelError, match="a gave logits that are not numbers"):
        write(fuse, TEXT)


def test_a_member_without_room_leaves(three, write, narrow):
    fuse = TokenFuse(three, NAMES, leave=True)
    whole = write(fuse, TEXT)
    narrow(three[1], 12)
    stopped = write(TokenFuse(three, NAMES), TEXT)
    assert stopped.finish == "context"
    made = write(fuse, TEXT)
    assert made.finish == "length"
    assert made.tokens[: len(stopped.tokens)] == whole.tokens[: len(stopped.tokens)]
    rest = TokenFuse((three[0], three[2]), ("a", "c"))
    again = write(rest, TEXT, prefix=stopped.text, max_tokens=24 - len(stopped.tokens))
    assert made.text == stopped.text + again.text
    assert made.left == {"b": "its context is 12 tokens"}


def test_a_member_whose_context_the_prompt_exceeds_leaves(three, write, narrow):
    narrow(three[0], 3)
    with pytest.raises(ModelError, match=r"but the context of \w+ is 3 tokens") as error:
        write(TokenFuse(three, NAMES), TEXT)
    assert error.value.code == "E703"
    made = write(TokenFuse(three, NAMES, leave=True), TEXT)
    assert made.text == write(TokenFuse(three[1:], NAMES[1:]), TEXT).text
    assert set(made.left) == {"a"}
    for each in three:
        narrow(each, 3)
    with pytest.raises(ModelError, match="is 3 tokens"):
        write(TokenFuse(three, NAMES, leave=True), TEXT)


def test_rows_are_given_back(engine, three, write, broken):
    broken(three[1], 12)
    write(TokenFuse(three, NAMES, leave=True), TEXT)
    assert all(runner.idle for runner in engine._pool.get(three))


def test_a_nested_fuse_leaves_as_one(three, write, broken):
    inner = TokenFuse(three[:2], NAMES[:2])
    broken(three[1], 0)
    made = write(TokenFuse((inner, three[2]), ("ab", "c"), leave=True), TEXT)
    assert made.text == write(three[2], TEXT).text


def test_leaving_over_unlike_vocabularies(model, write, broken):
    pair = model("stories"), model("rwkv")
    broken(pair[1], 30)
    made = write(TokenFuse(pair, ("a", "b"), align=UNION, leave=True), TEXT)
    assert made.left.keys() == {"b"}
    assert len(made.tokens) == 24


def test_a_member_that_leaves_while_it_is_weighed(three, write, broken):
    broken(three[1], 0)
    for prior in ("perplexity", "search"):
        fuse = TokenFuse(three, NAMES, prior=Part(f"weigh.{prior}"), leave=True)
        with_two = TokenFuse((three[0], three[2]), ("a", "c"), prior=Part(f"weigh.{prior}"))
        made = write(fuse, TEXT)
        assert made.text == write(with_two, TEXT).text
        assert set(made.left) == {"b"}


@pytest.mark.parametrize("weigh", ["entropy", "agreeing", "consistent"])
def test_weights_at_every_token_are_of_those_who_stayed(three, write, broken, weigh):
    part = Part(f"weigh.{weigh}")
    fuse = TokenFuse(three, NAMES, weigh=part, leave=True)
    broken(three[1], 0)
    rest = TokenFuse((three[0], three[2]), ("a", "c"), weigh=part)
    assert write(fuse, TEXT).text == write(rest, TEXT).text


def test_a_formula_has_no_member_to_spare(three):
    with pytest.raises(ModelError, match="cannot be used with a formula"):
        TokenFuse(three, NAMES, (1.0, 1.0, -1.0), LOGS, normalize=False, leave=True)


def test_nothing_to_read_names_the_member(engine, three):
    group = engine._group(TokenFuse(three, NAMES))
    given = {0: prompt_tokens(group.slots[0], Query.of(TEXT), ""), 1: []}
    with pytest.raises(ModelError, match=r"the prompt of \w+ is empty") as error:
        SequenceState.open(group, (0.5, 0.5, 0.0), given)
    assert error.value.code == "E701"
    assert engine._pool.get([three[0]])[0].idle


def test_an_empty_prompt_names_a_member_that_cannot_begin(model, write, engine, monkeypatch):
    solo = model("rwkv")
    (runner,) = engine._pool.get([solo])
    monkeypatch.setattr(runner.model, "render", lambda *_: [])
    with pytest.raises(ModelError, match=r"the prompt of \w+ is empty") as error:
        write(TokenFuse((model("stories"), solo), ("a", "b"), align=UNION), "")
    assert error.value.code == "E701"


def test_an_empty_prompt_begins_after_bos(three, write):
    made = write(TokenFuse(three, NAMES), "", max_tokens=5)
    assert len(made.tokens) == 5


def listened(engine, member):
    return ask_members(engine, member, ((("user", TEXT),),), " there").result(60)


def test_listening_names_who_left(engine, three, broken, narrow):
    fuse = TokenFuse(three[:2], NAMES[:2], leave=True)
    context = narrow(three[1], 3)
    text = r"some members could not read .* b: .*context of \w+ is 3 tokens"
    with pytest.raises(ModelError, match=text) as error:
        listened(engine, fuse)
    assert error.value.code == "E701"
    narrow(three[1], context)
    broken(three[1], 0)
    with pytest.raises(ModelError, match="b: b gave logits that are not numbers"):
        listened(engine, fuse)


def test_listening_to_a_fuse_that_gives_a_member_no_weight(engine, three):
    inner = TokenFuse(three[:2], NAMES[:2], (1.0, 0.0))
    heard = listened(engine, TokenFuse((inner, three[2]), ("ab", "c")))
    alone = listened(engine, TokenFuse((three[0], three[2]), ("a", "c")))
    assert torch.allclose(heard.logprobs, alone.logprobs, atol=1e-4)


WITHOUT_DOUBT = Part("handover.doubt", (("below", 1e-9),))
TEXTUAL = {
    "bytes": lambda members: ByteFuse(members, ("p", "q")),
    "spans": lambda members: SpanFuse(members, ("p", "q")),
    "hand-over": lambda members: Handoff(members, ("p", "q"), WITHOUT_DOUBT),
}


@pytest.mark.parametrize("context", [3, 20])
@pytest.mark.parametrize("kind", TEXTUAL)
def test_who_left_a_fuse_within_is_told(whole, write, narrow, kind, context):
    three = whole("stories"), whole("shakespeare"), whole("maths")
    inner = TokenFuse(three[:2], ("x", "y"), leave=True)
    narrow(three[1], context)
    made = write(TEXTUAL[kind]((inner, three[2])), TEXT)
    assert set(made.left) == {"y"}
    assert made.finish == "length"
    assert len(made.tokens) == 24
