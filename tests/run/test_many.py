"""Many queries at once, from several threads and loops; closing and cancelling."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from composer.run import Failure
from composer.values import Query

SLOW = "slow -> cascade(A, accept = true)"


def test_map_keeps_the_order(ready):
    models = "model E = fake(style = echo)\nmodel S = fake(style = echo, seconds = 0.05)\n"
    ensemble = ready("route(by = length(threshold = 2)) -> [S, E]", models=models)
    queries = ["a", "a much longer one", "b", "another long one"]
    assert [each.answer for each in ensemble.map(queries)] == queries


def test_results_may_come_as_they_are_ready(ready):
    models = "model E = fake(style = echo)\nmodel S = fake(style = echo, seconds = 0.3)\n"
    ensemble = ready("route(by = length(threshold = 2)) -> [S, E]", models=models)
    queries = [Query.of("a", id="slow"), Query.of("a much longer one", id="quick")]
    assert [each.id for each in ensemble.as_they_come(queries)] == ["quick", "slow"]


def test_map_numbers_queries_without_an_id(ready):
    ensemble = ready("say")
    rows = ["x", {"query": "y"}, {"query": "z", "id": "mine"}, Query.of("w", id="own")]
    assert [each.id for each in ensemble.map(rows)] == ["0", "1", "mine", "own"]


def test_map_takes_no_more_queries_than_it_works_on(ready):
    taken = []

    def queries():
        for at in range(20):
            taken.append(at)
            yield str(at)

    results = ready("say").map(queries(), at_once=3)
    next(results)
    assert len(taken) == 3
    assert len(list(results)) == 19


def test_sixty_four_queries_run_at_once(ready):
    ensemble = ready("slow")
    began = time.perf_counter()
    results = list(ensemble.map(str(at) for at in range(64)))
    assert len(results) == 64
    assert time.perf_counter() - began < 64 * 0.2 / 4


def test_no_more_run_at_once_than_wanted(ready):
    ensemble = ready("slow")
    began = time.perf_counter()
    list(ensemble.map(["1", "2", "3"], at_once=1))
    assert time.perf_counter() - began > 0.59


def test_an_ensemble_is_opened_and_closed_in_an_event_loop(ready):
    async def once():
        async with ready("say") as ensemble:
            answer = (await ensemble.ask("1")).answer
        return ensemble, answer

    ensemble, answer = asyncio.run(once())
    assert answer
    with pytest.raises(Failure, match="closed"):
        ensemble("2")


def test_an_ensemble_answers_from_any_event_loop(ready):
    ensemble = ready("slow")

    async def both():
        return await asyncio.gather(ensemble.ask("1"), ensemble.ask("2"))

    began = time.perf_counter()
    assert [each.answer for each in asyncio.run(both())] == ["slow", "slow"]
    assert time.perf_counter() - began < 2


def test_an_ensemble_answers_several_threads(ready):
    ensemble = ready(
        "[free(temperature = 1), say] -> vote(ties = first()) -> cascade(say, accept = false)"
    )
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda at: ensemble(str(at)).answer, range(64)))
    assert answers == [str(at) for at in range(64)]


def test_streaming_gives_the_whole_answer_in_pieces(ready):
    ensemble = ready("say")
    assert ensemble.streams
    assert "".join(ensemble.stream("one two three")) == "one two three"


def test_what_cannot_be_streamed_comes_whole(ready):
    ensemble = ready("say -> vote()")
    assert not ensemble.streams
    assert list(ensemble.stream("one two")) == ["one two"]


def streamed(ensemble, query):
    """Read an answer with `async for`; return its pieces and the result."""

    async def read():
        stream = ensemble.stream(query)
        return [piece async for piece in stream], stream.result

    return asyncio.run(read())


def test_a_stream_is_read_in_an_event_loop_too(ready):
    pieces, result = streamed(ready("say"), "one two three")
    assert ("".join(pieces), result.answer) == ("one two three", "one two three")


def test_several_streams_of_one_loop_go_on_side_by_side(ready):
    ensemble = ready("say")

    async def one(query):
        return "".join([piece async for piece in ensemble.stream(query)])

    async def both():
        return await asyncio.gather(one("a b"), one("c d"))

    assert asyncio.run(both()) == ["a b", "c d"]


def test_a_failing_stream_raises_in_an_event_loop_too(ready):
    with pytest.raises(Failure):
        streamed(ready("broken"), "?")


def test_a_failing_stream_raises(ready):
    with pytest.raises(Failure):
        list(ready("broken").stream("?"))


def test_a_query_that_is_cancelled_stops_working(ready):
    ensemble = ready('slow -> prompt("""{{ answer }}""") -> say')

    async def given_up():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ensemble.ask("1"), 0.05)
        return await ensemble.ask("2")

    assert asyncio.run(given_up()).answer == "slow"


def test_results_that_nobody_takes_are_given_up(ready):
    models = 'model A = fake(says = "a")\nmodel endless = fake(seconds = 1000)\n'
    recipe = "route(by = length(threshold = 2)) -> [A, endless]"
    for many in ("map", "as_they_come"):
        ensemble = ready(recipe, models=models)
        queries = [Query.of("a"), *(Query.of("a much longer question") for _ in range(9))]
        results = getattr(ensemble, many)(queries)
        assert next(results).answer == "a"
        results.close()
        eventually(lambda ensemble=ensemble: not _under_way(ensemble))


def _under_way(ensemble):
    return len(asyncio.all_tasks(ensemble._loop._loop))


def eventually(holds):
    """Wait until something holds."""
    for _ in range(200):
        if holds():
            return
        time.sleep(0.02)
    pytest.fail("it did not come to hold")


def test_a_closed_ensemble_refuses_queries(ready):
    ensemble = ready("A")
    ensemble.close()
    for ask in (
        ensemble,
        lambda query: list(ensemble.stream(query)),
        lambda q: list(ensemble.map([q])),
    ):
        with pytest.raises(Failure) as caught:
            ask("?")
        assert caught.value.code == "E707"


def test_an_ensemble_may_be_closed_twice(ready):
    ensemble = ready("A")
    ensemble.close()
    ensemble.close()


def test_closing_ends_the_thread(load):
    before = threading.active_count()
    with load("A").ready() as ensemble:
        assert ensemble("?").answer == "a"
        assert threading.active_count() == before + 1
    assert threading.active_count() == before


def test_closing_ends_queries_that_others_wait_for(ready, capfd):
    ensemble = ready("endless", models="model endless = fake(seconds = 1000)\n")
    told = []

    def wait():
        try:
            ensemble("?")
        except Failure as failure:
            told.append(failure.code)

    waiting = threading.Thread(target=wait)
    waiting.start()
    eventually(lambda: _under_way(ensemble))
    ensemble.close()
    waiting.join(5)
    assert told == ["E707"]
    assert "destroyed" not in capfd.readouterr().err


def test_a_local_model_is_asked_by_many_at_once(ready):
    from composer import zoo

    if "maths" not in zoo.names():
        pytest.skip("the zoo has no models")
    models = 'model P = zoo("maths")\ndefault generate(max_tokens = 4)\n'
    ensemble = ready("P -> vote()", models=models)
    queries = [f"What is {at} plus 2?" for at in range(16)]
    together = [each.answer for each in ensemble.map(queries)]
    assert together == [ensemble(each).answer for each in queries]
