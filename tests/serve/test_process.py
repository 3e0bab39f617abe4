"""A server under load, in a process of its own: clients that leave, signals, memory."""

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest
from serve_process import ServeProcess
from stream_clients import Client, Replies, load, questions_of, seconds_until_free

pytestmark = pytest.mark.slow

RECIPE = "default generate(max_tokens = {0}, min_tokens = {0})\nmodel A = zoo('maths')\nA"


@pytest.fixture
def serve(tmp_path, monkeypatch):
    monkeypatch.delenv("COMPOSE_API_KEY", raising=False)
    started = []

    def start(*arguments, tokens=16):
        (tmp_path / "maths.ens").write_text(RECIPE.format(tokens).replace("'", '"'))
        started.append(ServeProcess("maths.ens", *arguments, folder=tmp_path))
        return started[-1]

    yield start
    for server in started:
        server.__exit__()
        assert not any("Traceback" in line for line in server.lines), server.lines


@pytest.mark.parametrize("streams", [True, False])
def test_a_client_that_leaves_frees_its_place_within_a_second(serve, streams):
    server = serve("--concurrency", "1", tokens=400)
    assert asyncio.run(seconds_until_free(server.address, "maths", streams=streams)) < 1


def test_a_client_that_leaves_the_queue_waits_no_more(serve):
    server = serve("--concurrency", "1", tokens=100)

    async def scene():
        replies = Replies()
        first, waiting, last = (Client(server.address, "maths", replies) for _ in range(3))
        running = asyncio.create_task(first.ask("One?"))
        await asyncio.sleep(0.2)
        left = asyncio.create_task(waiting.ask("Two?"))
        await asyncio.sleep(0.2)
        left.cancel()
        waiting.close()
        await running
        await last.ask("Three?")
        return replies

    assert asyncio.run(scene()).whole == 2
    assert b'compose_queries_total{error="",model="maths"} 2.0' in server.ask("/metrics")[1]


def test_64_clients_have_no_error_and_a_slow_one_blocks_none_of_them(serve):
    server = serve(tokens=64)

    async def scene():
        slow = Client(server.address, "maths", Replies())
        slow.reader, slow.writer = await asyncio.open_connection(slow.host, slow.port, limit=1)
        reading = asyncio.create_task(slow.ask("Slowly?"))
        replies = await load(server.address, "maths", questions_of(256), 64)
        reading.cancel()
        slow.close()
        return replies

    replies = asyncio.run(scene())
    assert (replies.whole, set(replies.statuses)) == (256, {200})


def test_a_full_queue_is_told_and_nobody_is_lost(serve):
    server = serve("--concurrency", "2", "--queue", "4")
    replies = asyncio.run(load(server.address, "maths", questions_of(64), 16))
    assert set(replies.statuses) == {200, 429}
    assert replies.whole == replies.statuses.count(200)


def test_a_signal_under_load_loses_no_accepted_request(serve):
    server = serve("--log")

    async def scene():
        asking = asyncio.create_task(load(server.address, "maths", questions_of(9999), 64))
        await asyncio.sleep(3)
        server.send(signal.SIGTERM)
        return await asking

    replies = asyncio.run(scene())
    assert server.ended() == 0
    accepted = sum(line.startswith("POST") and " 200, " in line for line in server.lines)
    assert (replies.whole, replies.cut) == (accepted, 0)
    assert accepted > 64


def test_what_is_not_finished_within_the_grace_ends_with_an_error(serve):
    server = serve("--grace", "0.2", tokens=480)

    async def scene():
        asking = asyncio.create_task(load(server.address, "maths", questions_of(8), 8))
        await asyncio.sleep(1)
        server.send(signal.SIGTERM)
        return await asking

    replies = asyncio.run(scene())
    assert server.ended() == 4
    assert server.lines[-1] == "8 requests ended with an error after 0.2 seconds of grace"
    assert replies.whole == 0


def test_a_second_signal_ends_at_once(serve):
    server = serve(tokens=480)

    async def scene():
        asking = asyncio.create_task(load(server.address, "maths", questions_of(8), 8))
        await asyncio.sleep(1)
        server.send(signal.SIGTERM)
        await asyncio.sleep(0.3)
        began = time.perf_counter()
        status = await asyncio.to_thread(server.end, signal.SIGTERM)
        await asking
        return status, time.perf_counter() - began

    status, seconds = asyncio.run(scene())
    assert (status, seconds < 2) == (130, True)
    assert server.lines[-1] == "interrupted"


def test_memory_is_flat_over_many_requests(serve):
    server = serve(tokens=4)

    def memory():
        pages = int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    sizes = []
    for block in range(5):
        asyncio.run(load(server.address, "maths", questions_of(1000, 1000 * block), 64))
        sizes.append(memory())
    assert sizes[-1] < sizes[1] + 20, sizes
