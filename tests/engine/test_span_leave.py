"""Members of a span fuse that fail: a clear error that names them, or they leave."""

import math

import pytest
from fusing import SpanFuse
from hypothesis import given
from hypothesis import strategies as st
from span_cast import Client, Fake, fused

from composer.engine.sessions.base import together
from composer.engine.sessions.span_asking import Candidate
from composer.methods import find_part
from composer.values import ModelError

TEXT = "Once upon a time"
LOST = ModelError("E701", "the server is gone")


class Failing(Client):
    """Fails in its second round, at one `place` of it."""

    place = ""

    def fail(self, place):
        if place == self.place and (self.text or place == "open"):
            raise LOST

    async def open(self):
        self.fail("open")

    def has_room(self):
        return not (self.place == "room" and self.text)

    async def propose(self, request):
        proposed = await super().propose(request)
        self.fail("propose")
        return proposed

    async def score(self, candidates):
        scores = await super().score(candidates)
        self.fail("score")
        return [(math.nan,)] * len(scores) if self.place == "nan" and self.text else scores

    def accept(self, candidate):
        self.fail("accept")
        super().accept(candidate)


class FailingHere(Failing):
    """The same without anything to await."""

    async def pause(self):
        self.calls += 1


PLACES = {
    "open": "the server is gone",
    "room": "its context is full",
    "propose": "the server is gone",
    "score": "the server is gone",
    "nan": "`b` gave a score of a span that is not a number",
    "accept": "the server is gone",
}
SCORES = {b" red": -1.0, b" sky": -3.0, b" end": -1.0, b" sea": -1.0, b" fin": -1.0}


def members(kind, place, who="b"):
    made = [
        kind("a", [b" red", b" sky", b" end."], dict(SCORES)),
        kind("b", [b" red", b" sea", b" fin."], dict(SCORES)),
    ]
    next(each for each in made if each.name == who).place = place
    return made


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", [Failing, FailingHere])
def test_a_member_that_fails_in_its_second_round_leaves(kind, place):
    ways = {} if kind is Failing else {"way": together}
    pair = members(kind, place)
    made = fused(pair, options={"leave": True}, **ways)
    assert made.left == {"b": PLACES[place]}
    ends = {"open": " red sky end", "accept": " red sea end"}
    assert (made.text, made.finish) == (ends.get(place, " red sky end"), "stop")
    with_both = {"open": 0, "accept": 2}.get(place, 1)
    assert [set(span.weights) for span in made.spans] == [
        {"a", "b"} if n < with_both else {"a"} for n in range(3)
    ]
    assert made.usage["b"].calls == pair[1].calls


@pytest.mark.parametrize("place", PLACES)
def test_without_leave_the_answer_ends_with_the_error(place):
    if place == "room":
        assert fused(members(Failing, place)).finish == "context"
        return
    with pytest.raises(ModelError) as error:
        fused(members(Failing, place))
    assert error.value.message == PLACES[place]


@pytest.mark.parametrize("place", sorted(PLACES.keys() - {"room"}))
def test_the_last_member_cannot_leave(place):
    pair = members(Failing, place)
    pair[0].place = place
    with pytest.raises(ModelError) as error:
        fused(pair, options={"leave": True})
    assert error.value.message in {PLACES[place], PLACES[place].replace("`b`", "`a`")}


def test_an_error_that_ends_the_whole_answer_ends_it():
    class Spent(Failing):
        def fail(self, place):
            if place == "score" and self.text:
                raise ModelError("E709", "the budget is spent")

    pair = members(Fake, "")
    pair[1] = Spent("b", [b" red", b" sea"], dict(SCORES))
    with pytest.raises(ModelError, match="the budget is spent"):
        fused(pair, options={"leave": True})


def test_what_a_member_proposed_does_not_count_once_it_fails():
    """`b`'s span would be the best; `b` fails while it scores."""
    pair = members(Failing, "score")
    assert fused(pair, options={"leave": True}).spans[1].candidates == {"a": " sky"}


class Moody(FailingHere):
    """Fails at one place of one round, if any; its word is as good as any other's."""

    when = 99

    def fail(self, place):
        if place == self.place and len(self.text.split()) == self.when:
            raise LOST

    async def propose(self, request):
        assert request.before == self.text.decode()
        await self.pause()
        self.fail("propose")
        return [Candidate(b" " + self.name.encode(), ended=False, tokens=("t",))]

    async def score(self, candidates):
        self.fail("score")
        return [(-float(each.text[-1]),) for each in candidates]


def tried(members, options):
    """Five words of members; None if the last one was lost."""
    try:
        return fused(members, together, options, max_tokens=5)
    except ModelError:
        return None


FAILURES = st.tuples(st.sampled_from(["propose", "score", "accept"]), st.integers(0, 6))


@given(st.lists(FAILURES, min_size=3, max_size=3), st.booleans())
def test_whoever_fails_wherever_the_rest_writes_on(failures, resting):
    members = [Moody(name, [], {}) for name in "abc"]
    for member, (place, when) in zip(members, failures, strict=True):
        member.place, member.when = place, when
    rest = find_part("exit", "low_share")(below=0.4, over=1, again=2) if resting else None
    made = tried(members, {"leave": True, "exit": rest})
    if made is None:
        assert all(when < 5 for _, when in failures)
        return
    assert (made.finish, len(made.text.split())) == ("length", 5)
    assert "".join(span.text for span in made.spans) == made.text
    assert set(made.left.values()) <= {"the server is gone"}
    for name, (_, when) in zip("abc", failures, strict=True):
        rounds = [n for n, span in enumerate(made.spans) if name in span.weights]
        assert name not in made.left or max(rounds, default=0) <= when


def test_an_empty_span_that_does_not_end_the_answer_is_a_full_context():
    class Silent(Fake):
        async def propose(self, request):
            assert not request.before
            return [Candidate(b"", ended=False, tokens=())]

    pair = [Silent("a", [], {b"": -1.0}), Silent("b", [], {b"": -1.0})]
    made = fused(pair)
    assert (made.text, made.finish) == ("", "context")


def test_a_span_that_never_ends_is_cut(model, write):
    pair = model("stories"), model("rwkv")
    made = write(SpanFuse(pair, ("a", "r"), words=99, max_span_tokens=5), TEXT, max_tokens=14)
    assert (len(made.tokens), made.finish) == (14, "length")
    assert len(made.spans) == 3


@pytest.mark.parametrize("name", ["shakespeare", "rwkv"])
def test_a_model_whose_logits_are_no_numbers_leaves(whole, write, broken, name):
    pair = whole("stories"), whole(name)
    broken(pair[1], 26)
    fuse = SpanFuse(pair, ("a", "b"))
    with pytest.raises(ModelError, match="gave logits that are not numbers") as error:
        write(fuse, TEXT)
    assert error.value.code == "E704"
    made = write(SpanFuse(pair, ("a", "b"), leave=True), TEXT)
    assert made.left.keys() == {"b"}
    assert made.left["b"].endswith("gave logits that are not numbers")
    together_, alone = (
        [span for span in made.spans if (len(span.weights) == 2) is both] for both in (True, False)
    )
    assert together_
    assert alone
    before = "".join(span.text for span in together_)
    rest = write(pair[0], TEXT, prefix=before, max_tokens=12).text
    assert made.text.startswith((before + rest)[: len(made.text)])
    assert made.usage["b"].calls


def test_rows_of_a_model_that_left_are_given_back(engine, model, write, broken):
    pair = model("stories"), model("shakespeare")
    broken(pair[1], 12)
    write(SpanFuse(pair, ("a", "b"), leave=True), TEXT)
    assert all(runner.idle for runner in engine._pool.get(pair))


def test_a_model_whose_context_the_prompt_exceeds_leaves(model, write, narrow):
    pair = model("stories"), model("shakespeare")
    narrow(pair[1], 3)
    made = write(SpanFuse(pair, ("a", "b"), leave=True), TEXT)
    assert made.text == write(pair[0], TEXT).text
    assert "the context of shakespeare is 3 tokens" in made.left["b"]
    narrow(pair[1], 12)
    assert write(SpanFuse(pair, ("a", "b"), leave=True), TEXT).left == {"b": "its context is full"}


def test_a_pass_that_raises_is_a_reason_to_leave(model, write, broken):
    pair = model("stories"), model("shakespeare")
    broken(pair[0], 9, MemoryError("no room on the device"))
    with pytest.raises(ModelError, match="no memory left for a row"):
        write(SpanFuse(pair, ("a", "b")), TEXT)
    made = write(SpanFuse(pair, ("a", "b"), leave=True), TEXT)
    assert "no memory left for a row" in made.left["a"]
    assert made.finish == "length"
