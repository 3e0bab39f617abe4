"""Clients that ask a server one question after another, and read as little as they can."""

from __future__ import annotations

import asyncio
import json
import re
import time
from dataclasses import dataclass, field

END = b"data: [DONE]"
TEXT = re.compile(rb'"content":"[^"]')


@dataclass
class Replies:
    """What clients got: the seconds to each first text, the status of each reply.

    Of these `whole` ones came to their end, and `cut` ones did not; `unanswered` requests had no
    reply, as where a connection was closed.
    """

    first: list[float] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    whole: int = 0
    cut: int = 0
    unanswered: int = 0


class Client:
    """A client that asks one question after another over one connection."""

    def __init__(self, address: str, model: str, replies: Replies, *, streams: bool = True) -> None:
        self.host, _, port = address.removeprefix("http://").partition(":")
        self.port, self.model, self.replies, self.streams = int(port), model, replies, streams
        self.reader: asyncio.StreamReader | None = None
        self.writer: asyncio.StreamWriter | None = None

    async def ask(self, question: str) -> bool:
        """Put a question, and read the reply to its end; say whether the server goes on."""
        known = len(self.replies.statuses)
        try:
            return await self._ask(question)
        except (OSError, asyncio.IncompleteReadError):
            self.close()
            if len(self.replies.statuses) > known:
                self.replies.cut += 1
            else:
                self.replies.unanswered += 1
            return False

    async def _ask(self, question: str) -> bool:
        if self.writer is None or self.writer.is_closing():
            self.reader, self.writer = await asyncio.open_connection(self.host, self.port)
        assert self.reader is not None
        messages = [{"role": "user", "content": question}]
        body = {"model": self.model, "messages": messages, "stream": self.streams}
        content = json.dumps(body).encode()
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: {self.host}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        began = time.perf_counter()
        self.writer.write(head.encode() + content)
        lines = await self.reader.readuntil(b"\r\n\r\n")
        status = int(lines.split(b" ", 2)[1])
        self.replies.statuses.append(status)
        if b"transfer-encoding: chunked" not in lines.lower():
            length = next(
                each for each in lines.lower().split(b"\r\n") if each.startswith(b"content-length")
            )
            await self.reader.readexactly(int(length.partition(b":")[2]))
            self.replies.whole += status == 200
        else:
            await self._events(began)
        if b"connection: close" in lines.lower():
            self.close()
            return False
        return True

    async def _events(self, began: float) -> None:
        """Read chunks until the last one."""
        assert self.reader is not None
        first, ended = None, False
        while size := int(await self.reader.readline(), 16):
            chunk = await self.reader.readexactly(size + 2)
            if first is None and TEXT.search(chunk):
                first = time.perf_counter() - began
            ended = ended or END in chunk
        await self.reader.readline()
        self.replies.whole += ended
        if first is not None:
            self.replies.first.append(first)

    def close(self) -> None:
        """Close the connection."""
        if self.writer is not None:
            self.writer.close()
            self.writer = None


async def load(address: str, model: str, questions: list[str], clients: int) -> Replies:
    """Let clients ask all questions, each one the next that is left."""
    replies, left = Replies(), iter(questions)

    async def one() -> None:
        client = Client(address, model, replies)
        for question in left:
            if not await client.ask(question):
                break
        client.close()

    await asyncio.gather(*(one() for _ in range(clients)))
    return replies


def questions_of(count: int, start: int = 0) -> list[str]:
    """Return questions that all differ."""
    return [f"What is {n % 1000} plus {n // 1000}?" for n in range(start, start + count)]


async def seconds_until_free(address: str, model: str, *, streams: bool) -> float:
    """Ask for a long answer, leave when it runs, and return the seconds until its place is free."""
    client = Client(address, model, Replies(), streams=streams)
    asking = asyncio.create_task(client.ask("Tell me all."))
    await _until(address, runs=True)
    await asyncio.sleep(0.1)
    assert not asking.done(), client.replies
    asking.cancel()
    client.close()
    left = time.perf_counter()
    await _until(address, runs=False)
    return time.perf_counter() - left


async def _until(address: str, *, runs: bool) -> None:
    """Wait until something runs, or until nothing does."""
    while (await running(address) > 0) is not runs:  # noqa: ASYNC110 - it is another process
        await asyncio.sleep(0.005)


async def running(address: str) -> int:
    """Return how many queries run, by the figures of the server."""
    host, _, port = address.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET /metrics HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    text = (await reader.read()).decode()
    writer.close()
    lines = [each for each in text.splitlines() if each.startswith("compose_running{")]
    return sum(int(float(each.rpartition(" ")[2])) for each in lines)
