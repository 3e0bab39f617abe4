"""Requests of all kinds over one group of models: each is answered as it would be alone."""

import asyncio
from functools import cache, partial

import pytest
import torch
from fusing import (
    LOGS,
    SHARED,
    UNION,
    Job,
    Part,
    SpanFuse,
    TokenFuse,
    ask_members,
    ask_prompt_score,
    ask_score,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from composer.engine.engine import Engine
from composer.engine.requests.draw import Draw
from composer.specs import ByteFuse, Handoff
from composer.values import Completion, ModelError, Sampling, Score

NAMES = ("a", "b")
TEXTS = ("What is 17 plus 25?", "Reverse the word star, please.")
ASKED = ((("user", TEXTS[0]),),)
PARTS = {
    "topk": {"align": Part("align.topk", {"k": 5})},
    "logs": {"combine": LOGS},
    "entropy": {"weigh": Part("weigh.entropy")},
    "agreeing": {"weigh": Part("weigh.agreeing")},
    "prompt": {"weigh": Part("weigh.perplexity")},
    "gate": {"gate": Part("gate.unsure", {"below": 0.9})},
    "lazy": {"gate": Part("gate.unsure", {"below": 0.9}), "lazy": True},
    "safe": {"draft": Part("draft.safe", {"tokens": 3})},
}
DRAFTED = {"draft": Part("draft.speculative")}
DOUBT = Part("handover.doubt", {"below": 0.9})


def kinds(members, *, alike):
    """Every kind of request over two models, by its name: a function of the engine and a text."""
    align = SHARED if alike else UNION
    fuse = partial(TokenFuse, members, NAMES)
    parts = {**PARTS, **({"drafted": DRAFTED} if alike else {})}
    mean = fuse(align=align)
    models = {
        "model": members[1],
        "mean": mean,
        "only_b": fuse((0.0, 1.0), align=align),
        "span": SpanFuse(members, NAMES, words=2, max_span_tokens=8),
        "byte": ByteFuse(members, NAMES),
        "handoff": Handoff(members, NAMES, DOUBT),
        "spans_of_a_fuse": SpanFuse((mean, members[1]), NAMES, words=2, max_span_tokens=8),
        **{name: fuse(**{"align": align, **options}) for name, options in parts.items()},
    }
    found = {name: partial(_write, model) for name, model in models.items()}
    for name in ("model", "mean", "topk", "lazy"):
        found[f"score_{name}"] = partial(_score, models[name])
    found["read"] = lambda engine, _: ask_score(engine, mean, None, "And then it went")
    found["prompt_score"] = lambda e, text: ask_prompt_score(e, members[0], (("user", text),))
    found["listen"] = lambda engine, _: ask_members(engine, mean, ASKED, "And then")
    found["too_long"] = lambda engine, _: _write(mean, engine, "long " * 3000)
    found["half"] = lambda engine, _: ask_score(engine, mean, ASKED, "\ud800")
    return found


def _write(model, engine, text):
    return engine.generate(Job(model, ((("user", text),),), Sampling(max_tokens=5)))


def _score(model, engine, _):
    return ask_score(engine, model, ASKED, " is 42", end=True)


def said(future):
    """What a request came to: a text or a code, and numbers."""
    try:
        found = future.result(60)
    except ModelError as error:
        return error.code, ()
    if isinstance(found, Completion | Score):
        return getattr(found, "text", ""), found.logprobs
    return "", found.logprobs.flatten().tolist()


class Every:
    """The kinds over a pair of models, and what each comes to alone."""

    def __init__(self, engine, members, *, alike):
        self.engine, self.kinds = engine, kinds(members, alike=alike)
        self.alone = cache(lambda kind, text: said(self.ask(kind, text)))

    def ask(self, kind, text):
        return self.kinds[kind](self.engine, text)

    def hold(self, asked):
        """Ask all of them at once: each is answered as it is alone."""
        expected = [self.alone(*each) for each in asked]
        futures = [self.ask(*each) for each in asked]
        for (text, numbers), future in zip(expected, futures, strict=True):
            assert said(future) == (text, pytest.approx(numbers, abs=1e-3))


@pytest.fixture(scope="module", params=["shared", "unlike"])
def every(request, zoo, engine):
    alike = request.param == "shared"
    members = zoo("general-1"), zoo("maths" if alike else "other")
    return Every(engine, members, alike=alike)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_pairs_and_triples_of_kinds_answer_as_each_does_alone(every, data):
    names = st.sampled_from(sorted(every.kinds))
    mixed = data.draw(st.lists(st.tuples(names, st.sampled_from(TEXTS)), min_size=2, max_size=3))
    gone = every.ask(data.draw(names), TEXTS[1])
    gone.cancel()
    every.hold(mixed)


@pytest.mark.slow
def test_every_pair_of_kinds_answers_as_each_does_alone(every):
    for one in every.kinds:
        for other in every.kinds:
            every.hold([(one, TEXTS[0]), (other, TEXTS[1])])


@pytest.mark.parametrize("way", ["device_values", "reply_values"])
def test_what_one_request_of_a_family_raises_fails_no_other(zoo, engine, monkeypatch, way):
    member = zoo("general-1")
    text, logprobs = said(_write(member, engine, TEXTS[1]))
    plain = getattr(Draw, way)

    def spoilt(fusion, asked, *rest):
        if any(request.sampling.seed == 13 for request, _ in asked):
            raise RuntimeError("torch.cat(): expected a non-empty list of Tensors")
        return plain(fusion, asked, *rest)

    monkeypatch.setattr(Draw, way, spoilt)
    how = Sampling(max_tokens=5, seed=13)
    bad = engine.generate(Job(member, ASKED, how))
    good = [_write(member, engine, text) for text in TEXTS]
    spans = _write(SpanFuse((member, zoo("maths")), NAMES), engine, TEXTS[0])
    with pytest.raises(RuntimeError):
        bad.result(60)
    assert said(good[1]) == (text, pytest.approx(logprobs, abs=1e-3))
    assert spans.result(60).text


def test_a_gate_that_is_asked_again_opens_as_it_did(zoo, engine, monkeypatch):
    members = zoo("general-1"), zoo("maths")
    fuse = TokenFuse(members, NAMES, align=SHARED, **PARTS["lazy"])
    alone = [_write(fuse, engine, text).result(60).text for text in TEXTS]
    plain, failed = Draw.device_values, []

    def spoilt(fusion, asked):
        if len(asked) > 1:
            failed.append(len(asked))
            raise torch.OutOfMemoryError("too many at once")
        return plain(fusion, asked)

    monkeypatch.setattr(Draw, "device_values", spoilt)
    asked = [_write(fuse, engine, text) for text in TEXTS]
    assert [future.result(60).text for future in asked] == alone
    assert failed


@pytest.mark.parametrize("error", [SystemExit(3), asyncio.CancelledError(), KeyboardInterrupt()])
def test_what_would_end_a_thread_ends_one_answer(zoo, error):
    def leave(_):
        raise error

    with Engine() as engine:
        asked = Job(zoo("general-1"), ASKED, Sampling(max_tokens=5))
        bad, good = engine.generate(asked, leave), engine.generate(asked)
        with pytest.raises(ModelError, match=type(error).__name__):
            bad.result(60)
        assert good.result(60).text
        assert engine.generate(asked).result(60).text


def test_a_cancelled_answer_whose_end_fails_ends_no_other(zoo, monkeypatch):
    from composer.engine.sequence import SequenceState

    with Engine() as engine:
        member = zoo("general-1")
        long = Job(member, ASKED, Sampling(max_tokens=10**6, stop=("never",)))
        monkeypatch.setattr(SequenceState, "close", lambda _: 1 / 0)
        gone = engine.generate(long)
        gone.cancel()
        monkeypatch.undo()
        assert engine.generate(Job(member, ASKED, Sampling(max_tokens=5))).result(60).text
