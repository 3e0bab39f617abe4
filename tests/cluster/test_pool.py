"""A pool at work, over replicas that do what a test says."""

import asyncio

import pytest
from scripted_replicas import Launcher, ask, opened, turns, written

from composer.cluster.wire import Answer, Handshake, Piece, SentError
from composer.values import ModelError


def scenario(test):
    """Run an async test."""
    return lambda: asyncio.run(asyncio.wait_for(test(), 10))


async def both_ready(pool):
    await pool.ready()
    while len(pool._dispatcher.replicas) < 2:
        await turns(1)


@scenario
async def test_requests_go_to_the_least_loaded_replica_in_batches():
    launcher = Launcher()
    async with opened(launcher, fewest=2, most=2) as pool:
        await both_ready(pool)
        tasks = [ask(pool, f"q{n}") for n in range(10)]
        await turns()
        one, two = launcher.launched
        assert len(one.asked) == len(two.asked) == 5
        assert len(one.batches) == len(two.batches) == 1
        one.answer()
        await turns()
        tasks += [ask(pool, f"r{n}") for n in range(3)]
        await turns()
        assert (len(one.asked), len(two.asked)) == (3, 5)
        one.answer()
        two.answer()
        answers = [(await task).draws[0].text for task in tasks]
        assert answers == [f"Q{n}" for n in range(10)] + [f"R{n}" for n in range(3)]


@scenario
async def test_what_a_dead_replica_had_goes_to_another_and_is_answered_once():
    launcher = Launcher()
    async with opened(launcher, fewest=2, most=2) as pool:
        await both_ready(pool)
        tasks = [ask(pool, f"q{n}") for n in range(4)]
        await turns()
        one = launcher.launched[0]
        one.answer(next(iter(one.asked)))
        one.die()
        await turns()
        assert one.killed
        assert len(launcher.launched) == 3
        for replica in launcher.launched[1:]:
            replica.answer()
        assert sorted([(await task).draws[0].text for task in tasks]) == ["Q0", "Q1", "Q2", "Q3"]
        assert pool.warnings == [
            "a replica of `A` on a test died: it was killed; 1 request is put again"
        ]


@scenario
async def test_a_request_that_is_alone_at_two_deaths_is_left_out():
    launcher = Launcher()
    async with opened(launcher) as pool:
        task = ask(pool, "poison")
        for number in range(2):
            await turns()
            launcher.launched[number].die("out of memory")
        with pytest.raises(ModelError, match="again while `A` answered this") as error:
            await task
        assert error.value.code == "E734"
        other = ask(pool, "food")
        await turns()
        launcher.launched[2].answer()
        assert (await other).draws[0].text == "FOOD"


@scenario
async def test_a_lost_machine_blames_no_request():
    launcher = Launcher()
    async with opened(launcher) as pool:
        task = ask(pool, "q")
        for number in range(4):
            await turns()
            launcher.launched[number].die(machine=True)
        await turns()
        launcher.launched[4].answer()
        assert (await task).draws[0].text == "Q"


@scenario
async def test_a_streamed_answer_goes_on_where_it_stood():
    launcher, shown = Launcher(), []
    async with opened(launcher) as pool:
        task = ask(pool, "q", shown.append)
        await turns()
        launcher.launched[0].say(Piece(0, "for"), Piece(0, "ty"))
        await turns()
        launcher.launched[0].die()
        await turns()
        launcher.launched[1].say(Piece(0, "fort"), Piece(0, "y-"), Piece(0, "two"))
        launcher.launched[1].say(Answer(0, written("forty-two")))
        assert (await task).draws[0].text == "forty-two"
        assert shown == ["for", "ty", "-", "two"]


@scenario
async def test_a_streamed_answer_that_becomes_another_one_fails():
    launcher, shown = Launcher(), []
    async with opened(launcher) as pool:
        task = ask(pool, "q", shown.append)
        await turns()
        launcher.launched[0].say(Piece(0, "for"))
        await turns()
        launcher.launched[0].die()
        await turns()
        launcher.launched[1].say(Piece(0, "fit"))
        with pytest.raises(ModelError, match="writes other words"):
            await task
        await turns()
        assert launcher.launched[1].cancelled == [0]


@scenario
async def test_an_error_of_a_model_comes_back_as_itself():
    launcher = Launcher()
    async with opened(launcher) as pool:
        task = ask(pool, "q")
        await turns()
        error = ModelError("E703", "too long", "ask less")
        launcher.launched[0].say(Answer(0, error=SentError.of(error)))
        with pytest.raises(ModelError) as caught:
            await task
        got = caught.value
        assert (got.code, got.message, got.help) == ("E703", "too long", "ask less")


def test_an_error_that_cannot_be_pickled_is_told_with_where_it_was():
    class LockedError(Exception):
        def __reduce__(self):
            raise TypeError

    with pytest.raises(LockedError) as caught:
        raise LockedError("no way")
    told = SentError.of(caught.value).error()
    assert (told.code, told.message) == ("E701", "LockedError: no way")
    assert "test_pool.py" in told.__notes__[0]


@scenario
async def test_a_cancelled_request_ends_at_its_replica():
    launcher = Launcher()
    async with opened(launcher) as pool:
        task = ask(pool, "q")
        await turns()
        task.cancel()
        await turns()
        assert launcher.launched[0].cancelled == [0]
        launcher.launched[0].answer()  # too late: nobody is told
        await turns()


@scenario
async def test_a_pool_grows_while_requests_wait_and_shrinks_when_idle():
    launcher = Launcher()
    async with opened(launcher, fewest=1, most=2) as pool:
        tasks = [ask(pool, f"q{n}") for n in range(200)]
        await turns()
        assert len(launcher.launched) == 1
        pool.clock.now += 2
        pool._scale()
        await turns()
        assert [len(each.asked) for each in launcher.launched] == [96, 96]
        while not all(task.done() for task in tasks):
            for replica in launcher.launched:
                replica.answer()
            await turns()
        pool.clock.now += 31
        pool._scale()
        await turns()
        assert sorted(each.killed for each in launcher.launched) == [False, True]
        pool.clock.now += 31
        pool._scale()
        await turns()
        assert sorted(each.killed for each in launcher.launched) == [False, True]


@scenario
async def test_without_a_replica_all_requests_fail_at_once_and_soon_may_be_put_again():
    launcher = Launcher(ModelError("E733", "no node had room", "add nodes"))
    async with opened(launcher) as pool:
        for _ in range(2):  # the second one does not wait for a replica
            with pytest.raises(ModelError, match="no node had room"):
                await ask(pool, "q")
        assert not launcher.launched
        pool.clock.now += 11
        task = ask(pool, "q")
        await turns()
        launcher.launched[0].answer()
        assert (await task).draws[0].text == "Q"


@scenario
async def test_replicas_that_all_fail_at_one_moment_leave_no_request_waiting():
    launcher = Launcher(*(ModelError("E733", "no room", "add nodes") for _ in range(2)))
    async with opened(launcher, fewest=2, most=2) as pool:
        with pytest.raises(ModelError, match="no room"):
            await asyncio.wait_for(ask(pool, "q"), 2)
        assert pool.warnings == ["no room"]


@scenario
async def test_a_model_that_cannot_be_loaded_fails_as_in_one_process():
    error = SentError("E501", "there are no weights", "look there")
    async with opened(Launcher(hello=Handshake(error=error))) as pool:
        with pytest.raises(ModelError, match="there are no weights") as caught:
            await ask(pool, "q")
        assert caught.value.code == "E501"


@scenario
async def test_a_replica_with_other_files_is_refused():
    async with opened(Launcher(hello=Handshake(models={"A": "1 2 other"}))) as pool:
        with pytest.raises(ModelError, match="a test has other files of `A`") as caught:
            await pool.ready()
        assert caught.value.code == "E732"


@scenario
async def test_the_loading_of_the_first_replica_is_told_and_not_counted():
    launcher = Launcher()
    async with opened(launcher) as pool:
        await pool.ready()
        seconds = pool._timer.seconds
        assert seconds > 0
        await turns()
        assert pool._timer.seconds == seconds


@scenario
async def test_a_replica_whose_words_cannot_be_read_counts_as_dead():
    launcher = Launcher()
    async with opened(launcher) as pool:
        task = ask(pool, "q")
        await turns()
        launcher.launched[0].say("not a message")
        await turns()
        assert launcher.launched[0].killed
        launcher.launched[1].answer()
        assert (await task).draws[0].text == "Q"
