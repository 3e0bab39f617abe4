"""Members behind a server: a real one on loopback, which generates, streams and scores."""

import time

import pytest
from serving import Probe, Server

import composer
from composer.backends import BACKENDS
from composer.diagnostics import Mistakes
from composer.run import Failure
from composer.values import Query


@pytest.fixture
def serve(monkeypatch):
    """Start servers: `serve("an answer")` gives one; each is closed at the end."""
    monkeypatch.setitem(BACKENDS._all, "probe", Probe)
    made = []

    def start(answer, **options):
        made.append(Server(answer, **options))
        return made[-1]

    yield start
    for each in made:
        each.close()


def declared(name, server, **options):
    more = "".join(f", {key} = {value}" for key, value in options.items())
    return f"model {name} = probe(port = {server.port}{more})\n"


def answer(text, query="why?", **ready):
    with composer.Recipe.load(text).ready(**ready) as ensemble:
        return ensemble(query)


def test_it_answers_in_a_bank_beside_a_local_model(serve):
    recipe = declared("P", serve("forty two")) + 'model Z = fake(says = "forty two")\n'
    result = answer(recipe + "[P, Z] -> vote()")
    assert result.answer == "forty two"
    assert result.members["P"].completion_tokens == 2


def test_it_streams(serve):
    with composer.Recipe.load(declared("P", serve("a b c")) + "P").ready() as ensemble:
        assert list(ensemble.stream("why?")) == ["a", " b", " c"]


def test_it_scores_candidates_in_a_ranking(serve):
    models = 'model A = fake(says = "blue moon")\nmodel B = fake(says = "green tea")\n'
    recipe = (
        declared("P", serve("green tea")) + models + "[A, B] -> rank(P, by = likely()) -> best()"
    )
    assert answer(recipe).answer == "green tea"


def test_it_scores_a_given_text(serve):
    with composer.Recipe.load(declared("P", serve("a b")) + "P").ready() as ensemble:
        assert ensemble.score("a x", "why?").logprobs == (-0.1, -2.0)


def test_one_that_does_not_score_says_so(serve):
    recipe = composer.Recipe.load('model A = fake("x")\nA')
    with recipe.ready() as ensemble, pytest.raises(Failure) as caught:
        ensemble.score("a", "why?")
    assert caught.value.code == "E302"


def test_it_is_a_stage_of_a_cascade(serve):
    recipe = declared("P", serve("at last")) + 'model A = fake(says = "hm", confidence = 0.1)\n'
    assert answer(recipe + "A -> cascade(P)").answer == "at last"


def test_it_fuses_spans_beside_a_local_member(serve):
    recipe = declared("P", serve("What is 42")) + 'use "zoo.ens" (maths)\n'
    few = "default generate(max_tokens = 6)\n"
    result = answer(recipe + few + "span_fuse(P, maths, weights = [9, 1])")
    assert result.answer.startswith("What is")
    spans = [each.spans for event in result.trace.events for each in event.asked][-1]
    assert {"P", "maths"} == set(spans[0].candidates)
    assert {"P", "maths"} == set(spans[0].scores)


def test_fusing_spans_of_servers_alone_follows_the_heavier_one(serve):
    one, other = serve("red and blue"), serve("one two three")
    recipe = declared("P", one) + declared("Q", other)
    assert answer(recipe + "span_fuse(P, Q, weights = [3, 1])").answer == "red and blue"
    assert any(each["verb"] == "score" for each in other.asked)


def test_a_server_that_gives_no_reason_to_end_is_not_taken_to_have_ended(serve):
    models = "".join(declared(name, serve("red and blue", tells=False)) for name in "PQ")
    recipe = models + "span_fuse(P, Q, max_span_tokens = 1)"
    assert answer(recipe).answer == "red and blue"


def test_going_on_asks_behind_the_text_so_far(serve):
    server = serve("one two three")
    both = declared("P", server) + declared("Q", serve("red and blue"))
    answer(both + "span_fuse(P, Q, weights = [1, 9])")
    prefixes = [each["prefix"] for each in server.asked if each["verb"] == "generate"]
    assert prefixes == ["", "red", "red and"]


@pytest.mark.parametrize(("temperature", "prefixes"), [(0, [""]), (1, ["", "red", "red and"])])
def test_how_a_kept_span_goes_on_is_asked_again_where_it_is_drawn(serve, temperature, prefixes):
    server = serve("red and blue")
    both = declared("P", server) + declared("Q", serve("red and blue"))
    fused = f"let fused = span_fuse(P, Q)\nfused(temperature = {temperature})"
    assert answer(both + fused).answer == "red and blue"
    asked = [each["prefix"] for each in server.asked if each["verb"] == "generate"]
    assert asked == prefixes


def test_what_was_not_seen_to_end_is_asked_for_again(serve):
    server = serve("red and blue")
    both = declared("P", server) + declared("Q", serve("red and blue"))
    assert answer(both + "span_fuse(P, Q, max_span_tokens = 1)").answer == "red and blue"
    asked = [each["prefix"] for each in server.asked if each["verb"] == "generate"]
    assert asked == ["", "red", "red and"]


@pytest.mark.parametrize("fuse", ["token_fuse", "byte_fuse"])
def test_it_is_refused_where_tokens_are_fused(serve, fuse):
    recipe = declared("P", serve("a")) + f'use "zoo.ens" (maths)\n{fuse}(P, maths)'
    with pytest.raises(Mistakes) as caught:
        composer.Recipe.load(recipe)
    (mistake,) = caught.value.diagnostics
    assert mistake.code == "E302"
    assert "`P`" in mistake.message


def test_one_client_is_opened_and_closed_with_the_ensemble(serve):
    server = serve("a")
    with composer.Recipe.load(declared("P", server) + "P").ready() as ensemble:
        list(ensemble.map(["1", "2", "3"]))
        assert server.open == 1
    deadline = time.monotonic() + 5
    while server.open and time.monotonic() < deadline:
        time.sleep(0.01)
    assert server.open == 0


def test_a_hang_is_ended_by_the_deadline(serve):
    with pytest.raises(Failure) as caught:
        answer(declared("P", serve("a", hangs=True), deadline=0.2) + "P")
    assert caught.value.code == "E702"


def test_closing_does_not_wait_for_a_server_that_hangs(serve):
    ensemble = composer.Recipe.load(declared("P", serve("a", hangs=True)) + "P").ready()
    future = ensemble._submit(Query.of("why?"))
    began = time.monotonic()
    ensemble.close()
    assert time.monotonic() - began < 2
    assert future.cancelled() or future.exception() is not None


def closes(server):
    """Wait until nobody is connected to a server any more."""
    for _ in range(100):
        if not server.open:
            return True
        time.sleep(0.02)
    return False


def test_a_call_that_takes_too_long_is_cancelled_and_others_go_on(serve):
    hangs = serve("x", hangs=True)
    recipe = declared("H", hangs, timeout=0.3, deadline=60) + declared("P", serve("yes"))
    began = time.perf_counter()
    with composer.Recipe.load(recipe + "[H, P, P(top_k = 1)] -> vote()").ready() as ensemble:
        results = list(ensemble.map(["1", "2", "3"]))
    assert [each.answer for each in results] == ["yes"] * 3
    assert {each.failed[0].error[:6] for each in results} == {"[E702]"}
    assert time.perf_counter() - began < 10
    assert closes(hangs)


def test_a_member_of_a_span_fuse_that_fails_ends_the_fuse_alone(serve):
    recipe = declared("H", serve("x", hangs=True), timeout=0.3, deadline=60)
    recipe += declared("P", serve("yes"))
    with composer.Recipe.load(recipe + "[span_fuse(H, P), P, P(top_k = 1)] -> vote()").ready() as e:
        result = e("why?")
    assert result.answer == "yes"
    assert "`H` gave no answer within 0.3 seconds" in result.failed[0].error


def test_the_limit_of_a_member_holds_for_each_of_its_spans(serve):
    models = "".join(declared(name, serve("one two three"), timeout=3) for name in "PQ")
    assert answer(models + "span_fuse(P, Q)").answer == "one two three"


def test_a_query_that_takes_too_long_leaves_no_call_behind(serve):
    hangs = serve("x", hangs=True)
    with composer.Recipe.load(declared("H", hangs, deadline=60) + "H").ready(timeout=0.3) as e:
        assert [each.error[:6] for each in e.map(["1", "2"])] == ["[E702]"] * 2
    assert closes(hangs)


def test_max_tokens_holds_for_spans_that_are_cut(serve):
    words = " ".join(f"w{n}" for n in range(40))
    models = "".join(declared(name, serve(words)) for name in "PQ")
    recipe = f"default generate(max_tokens = 6)\n{models}span_fuse(P, Q, span = words(3))"
    assert answer(recipe).answer == "w0 w1 w2 w3 w4 w5"
