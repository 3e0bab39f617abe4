"""A server on loopback that answers each request as a script says: raw bytes, or a broken line."""

import asyncio
import json
from contextlib import asynccontextmanager, suppress

RESET = None
"""In a script: the connection is reset instead of an answer."""

ANSWER = {"choices": [{"text": "hi"}], "usage": {"prompt_tokens": 3, "completion_tokens": 1}}


def reply(body=ANSWER, status=200, kind="application/json", **headers):
    """Write an HTTP reply; the underscores of a header's name are hyphens."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} X", f"content-type: {kind}", f"content-length: {len(content)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + content


def events(*texts, end=True):
    """Write a stream of events."""
    data = [text if isinstance(text, str) else json.dumps(text) for text in texts]
    data += ["[DONE]"] * end
    return reply("".join(f"data: {each}\n\n" for each in data).encode(), kind="text/event-stream")


class ScriptedServer:
    """Answers by its script, and when that is at its end with ANSWER.

    `requests` are what came: path, headers and body.
    """

    def __init__(self):
        self.script, self.requests, self.connections = [], [], 0
        self.url = ""

    async def serve(self, reader, writer):
        self.connections += 1
        with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while True:
                await self._answer(reader, writer)
        writer.close()

    async def _answer(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        self.requests.append((head[0].split()[1], headers, json.loads(body) if body else None))
        answer = self.script.pop(0) if self.script else reply()
        if callable(answer):
            answer = await answer()
        if answer is RESET:
            writer.transport.abort()
            raise ConnectionResetError
        writer.write(answer)
        await writer.drain()


@asynccontextmanager
async def scripted(*script):
    """Run a scripted server in this event loop."""
    answering = ScriptedServer()
    answering.script = list(script)
    server = await asyncio.start_server(answering.serve, "127.0.0.1", 0)
    answering.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield answering
    finally:
        server.close()
