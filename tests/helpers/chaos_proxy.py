"""A proxy in front of a server, which fails in each of the usual ways.

    with serving(FOLDER) as url, chaos(url, seed = 1, share = 0.3) as proxy:
        ...  # proxy.url answers as url does, but for 30 of 100 requests

It runs in a thread. `proxy.faults` counts the faults by name.
"""

import asyncio
import contextlib
import json
import random
import threading
from collections import Counter
from urllib.parse import urlsplit

HEAD = b"\r\n\r\n"
SLOW, PIECES = 0.005, 12
"""Seconds between the pieces of a slow answer, and how many there are."""

CLOSED = 0.03
"""Seconds for which connections are refused."""

BUSY = {"error": {"message": "slow down", "type": "rate_limit", "code": "rate_limit_exceeded"}}
BROKEN = {"error": {"message": "it broke", "type": "server_error", "code": None}}
PAGE = b"<!doctype html><html><body><h1>Welcome to nginx!</h1></body></html>"


class ChaosProxy:
    """Passes requests on to a server; each fault is a method named `on_...`.

    A share of the requests below `/v1` meets one, drawn evenly. `only` names those that are drawn.
    The first `after` requests meet none.
    """

    def __init__(self, target, *, seed=0, share=0.3, only=None, after=0):
        parts = urlsplit(target)
        self._target, self._path = (parts.hostname, parts.port), parts.path
        self._draws, self._share, self._after = random.Random(seed), share, after
        self.names = sorted(only or (name[3:] for name in dir(self) if name.startswith("on_")))
        self.faults, self.requests = Counter(), 0
        self.port = 0
        self._open = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}{self._path}"

    def start(self):
        self._thread.start()
        self._run(self._listen())

    def stop(self):
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def _run(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, backlog=512)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _end(self):
        self._server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0.01)  # connections that were closed end in the next turn of the loop

    async def _serve(self, reader, writer):
        self._open.add(writer)
        try:
            while await self._one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            writer.transport.abort()
        finally:
            self._open.discard(writer)
            writer.close()

    async def _one(self, reader, writer):
        """Serve one request; say whether the connection goes on."""
        request = await _message(reader)
        self.requests += 1
        may_fail = request.startswith(b"POST") and self.requests > self._after
        if may_fail and self._draws.random() < self._share:
            name = self._draws.choice(self.names)
            self.faults[name] += 1
            return await getattr(self, f"on_{name}")(request, writer)
        return await _send(writer, await self._answer(request))

    async def _answer(self, request):
        """Return the server's whole answer."""
        reader, writer = await asyncio.open_connection(*self._target)
        try:
            writer.write(request)
            return await _message(reader)
        finally:
            writer.close()

    async def on_refused(self, _, writer):
        """Connections are refused for a while, and this one is reset."""
        writer.transport.abort()
        if self._server.is_serving():
            self._server.close()
            await asyncio.sleep(CLOSED)
            await self._listen()

    async def on_reset(self, request, writer):
        """The connection is reset in the middle of the answer."""
        answer = await self._answer(request)
        await _send(writer, answer[: len(answer) * 2 // 3])
        writer.transport.abort()

    async def on_busy(self, _, writer):
        return await _send(writer, _reply(BUSY, 429))

    async def on_busy_for_a_while(self, _, writer):
        header = self._draws.choice(["retry-after-ms: 60", "Retry-After: 0.06", "Retry-After: 0"])
        return await _send(writer, _reply(BUSY, 429, header))

    async def on_broken(self, _, writer):
        return await _send(writer, _reply(BROKEN, 500))

    async def on_bad_gateway(self, request, writer):
        """The server has answered, and what is between loses the answer."""
        await self._answer(request)
        return await _send(writer, _reply(PAGE, 502, kind="text/html"))

    async def on_slow(self, request, writer):
        """All of the answer comes, in small pieces."""
        answer = await self._answer(request)
        size = len(answer) // PIECES + 1
        for at in range(0, len(answer), size):
            await _send(writer, answer[at : at + size])
            await asyncio.sleep(SLOW)
        return True

    async def on_malformed(self, request, writer):
        """A part of the answer, as if it were all."""
        head, body = (await self._answer(request)).split(HEAD, 1)
        kind = "text/event-stream" if b"text/event-stream" in head else "application/json"
        return await _send(writer, _reply(body[: len(body) // 2], kind=kind))

    async def on_page(self, _, writer):
        return await _send(writer, _reply(PAGE, kind="text/html; charset=utf-8"))

    async def on_truncated(self, request, writer):
        """A stream ends, properly, before its end; another answer ends in its middle."""
        head, body = (await self._answer(request)).split(HEAD, 1)
        events = _unchunked(body).split(b"\n\n") if b"text/event-stream" in head else None
        if events is None:
            return await _send(writer, _reply(body[:-1]))
        kept = events[: self._draws.randint(0, max(0, len(events) - 2))]
        body = b"".join(each + b"\n\n" for each in kept)
        return await _send(writer, _reply(body, kind="text/event-stream"))

    async def on_empty(self, request, writer):
        """An answer that has no choices; a stream has no more either."""
        head, _ = (await self._answer(request)).split(HEAD, 1)
        reply = {"id": "x", "object": "text_completion", "created": 0, "model": "m", "choices": []}
        if b"text/event-stream" in head:
            body = b"data: " + json.dumps(reply).encode() + b"\n\ndata: [DONE]\n\n"
            return await _send(writer, _reply(body, kind="text/event-stream"))
        return await _send(writer, _reply(reply))

    async def on_hang(self, request, writer):
        """The server answers, and nothing of it comes."""
        await self._answer(request)
        await writer.wait_closed()


@contextlib.contextmanager
def chaos(target, **options):
    """Put a proxy in front of a server."""
    proxy = ChaosProxy(target, **options)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()


async def _message(reader):
    """Read one HTTP message, whole."""
    head = await reader.readuntil(HEAD)
    lines = head.lower().split(b"\r\n")
    length = next((line[15:] for line in lines if line.startswith(b"content-length:")), None)
    if length is not None:
        return head + await reader.readexactly(int(length))
    if b"transfer-encoding: chunked" not in lines:
        return head
    body = b""
    while not body.endswith(b"0\r\n\r\n"):
        size = await reader.readuntil(b"\r\n")
        body += size + await reader.readexactly(int(size, 16) + 2)
    return head + body


def _unchunked(body):
    pieces = []
    while body:
        size, body = body.split(b"\r\n", 1)
        pieces.append(body[: int(size, 16)])
        body = body[int(size, 16) + 2 :]
    return b"".join(pieces)


async def _send(writer, data):
    writer.write(data)
    await writer.drain()
    return True


def _reply(body, status=200, *headers, kind="application/json"):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} X", f"content-type: {kind}", f"content-length: {len(content)}"]
    return "\r\n".join([*lines, *headers, "", ""]).encode() + content
