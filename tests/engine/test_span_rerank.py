"""A span fuse that also lets each member write a whole answer, and keeps the best of all."""

import pytest
from fusing import SpanFuse
from span_cast import Client, fused

from composer.engine.sessions.base import together
from composer.engine.sessions.span_asking import Candidate, WholeAnswer
from composer.engine.sessions.span_parts import SpanText
from composer.methods import find_part
from composer.values import ModelError

TEXT = "Once upon a time"
WHOLE = {"a": b" red sky", "b": b" blue sea"}


class Author(Client):
    """Proposes spans, and its whole answer where it is asked for one."""

    whole_error = None

    async def propose(self, request):
        if not isinstance(request.boundary, WholeAnswer):
            return await super().propose(request)
        await self.pause()
        if self.whole_error:
            raise self.whole_error
        assert (request.before, self.text, request.max_tokens) == ("", b"", 40)
        return [Candidate(WHOLE[self.name], ended=True, tokens=("t", "u", ""))]


class AuthorHere(Author):
    async def pause(self):
        self.calls += 1


def authors(kind=Author, fused_score=-2.0, red=-1.0):
    """The members fuse ` red sea`; `red` is what both think of `a`'s whole answer."""
    spans = {b" red": -1.0, b" blue": -2.0, b" sky": -3.0, b" sea": -1.0}
    scores = {**spans, b" red sea": fused_score, WHOLE["a"]: red, WHOLE["b"]: -3.0}
    return [
        kind("a", [b" red", b" sky."], dict(scores)),
        kind("b", [b" blue", b" sea."], dict(scores)),
    ]


@pytest.mark.parametrize("kind", [Author, AuthorHere])
def test_the_best_of_all_whole_answers_is_kept(kind):
    pieces = []
    ways = {} if kind is Author else {"way": together}
    members = authors(kind)
    made = fused(members, options={"rerank": True}, on_text=pieces.append, **ways)
    assert (made.text, made.finish, made.tokens) == (" red sky", "stop", ("t", "u", ""))
    assert pieces == [" red sky"]
    assert made.logprobs == (-1.0,) * 3
    last = made.spans[-1]
    assert (last.winner, last.whole) == ("a", True)
    assert last.candidates == {"fused": " red sea", "a": " red sky", "b": " blue sea"}
    assert last.scores["b"] == {"fused": -2.0, "a": -1.0, "b": -3.0}
    assert [span.whole for span in made.spans] == [False, False, True]


def test_the_fused_answer_stays_where_it_is_the_best():
    plain = fused(authors())
    made = fused(authors(fused_score=-0.5), options={"rerank": True})
    assert (made.text, made.tokens, made.logprobs) == (plain.text, plain.tokens, plain.logprobs)
    assert (made.spans[-1].winner, made.spans[-1].text) == ("fused", " red sea")


def test_each_member_is_asked_for_one_answer_and_one_round_of_scores_more():
    plain, made = fused(authors()), fused(authors(), options={"rerank": True})
    more = {name: usage.calls - plain.usage[name].calls for name, usage in made.usage.items()}
    assert more == {"a": 2, "b": 2}


def test_the_weights_of_the_end_decide():
    members = authors(red=-4.0)
    members[0].scores[WHOLE["a"]], members[0].weight = -0.1, 9.0
    assert fused(members, options={"rerank": True}).text == " red sky"


def test_a_member_that_fails_then_leaves_and_its_answer_does_not_count():
    def failing():
        members = authors()
        members[0].whole_error = ModelError("E701", "the server is gone")
        return members

    with pytest.raises(ModelError, match="the server is gone"):
        fused(failing(), options={"rerank": True})
    made = fused(failing(), options={"rerank": True, "leave": True})
    assert (made.text, made.left) == (" red sea", {"a": "the server is gone"})
    assert made.spans[-1].candidates == {"fused": " red sea", "b": " blue sea"}


def test_who_rests_writes_a_whole_answer_too():
    exit_ = find_part("exit", "low_share")(below=1.0, over=1, again=0)
    made = fused(authors(), options={"rerank": True, "exit": exit_})
    assert set(made.spans[-1].weights) == {"a", "b"}


def test_a_whole_answer_ends_with_a_stop_string():
    span = SpanText()
    span.add(b"one. two")
    assert WholeAnswer().end(span) is None
    assert WholeAnswer(stop=("two", ". ")).end(span) == 5
    made = fused(authors(), options={"rerank": True}, stop=(" sk",))
    assert (made.text, made.finish) == (" red", "stop")


def alone(whole, write, names, **how):
    return {name: write(whole(model), TEXT, **how) for name, model in names.items()}


def test_models_choose_what_the_best_mean_of_all_says(whole, write, engine):
    """Every whole text is scored anew by each model alone."""
    from fusing import ask_score

    names = {"a": "stories", "b": "shakespeare"}
    members = tuple(whole(model) for model in names.values())
    plain = write(SpanFuse(members, ("a", "b")), TEXT, max_tokens=12)
    made = write(SpanFuse(members, ("a", "b"), rerank=True), TEXT, max_tokens=12)
    own = alone(whole, write, names, max_tokens=12)
    last = made.spans[-1]
    texts = {"fused": plain.text, **{name: each.text for name, each in own.items()}}
    assert last.candidates == texts
    for name, member in zip(names, members, strict=True):
        for label, text in texts.items():
            score = ask_score(engine, member, ((("user", TEXT),),), text).result(60)
            assert last.scores[name][label] == pytest.approx(score.mean, abs=2e-2)
    totals = {n: sum(own[n] for own in last.scores.values()) for n in texts}
    assert made.text == texts[max(totals, key=totals.__getitem__)]
    assert all(runner.idle for runner in engine._pool.runners())


def test_models_with_unlike_tokenizers_and_a_stop_string(model, write):
    pair = model("stories"), model("rwkv")
    pieces = []
    fuse = SpanFuse(pair, ("a", "r"), rerank=True)
    made = write(fuse, TEXT, max_tokens=30, stop=(" the",), on_text=pieces.append)
    assert pieces == [made.text]
    assert " the" not in made.text
    assert made.finish in {"stop", "length"}
