"""A model behind a server on loopback: one line of JSON a request, pieces and a result as lines."""

import asyncio
import contextlib
import json
import threading
from typing import ClassVar

from composer.backends import Capability, Card, ModelError, Remote
from composer.values import Client, Completion, Generated, Score, Usage


class Server:
    """Serves a toy language model: it knows one answer, and finds its words likely."""

    def __init__(self, answer, *, hangs=False, tells=True):
        self.answer, self.hangs, self.tells = answer, hangs, tells
        self.asked, self.open = [], 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self._run(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = self._server.sockets[0].getsockname()[1]

    def close(self):
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    async def _end(self):
        self._server.close()
        serving = asyncio.all_tasks() - {asyncio.current_task()}
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)

    def _run(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(5)

    async def _serve(self, reader, writer):
        self.open += 1
        try:
            while line := await reader.readline():
                asked = json.loads(line)
                self.asked.append(asked)
                if self.hangs:
                    await reader.read()  # until whoever asked has gone
                for reply in getattr(self, asked["verb"])(asked):
                    writer.write(json.dumps(reply).encode() + b"\n")
                await writer.drain()
        finally:
            self.open -= 1
            writer.close()

    def generate(self, asked):
        rest = self.answer.removeprefix(asked["prefix"])
        words = [piece for piece in rest.split(" ") if piece]
        pieces = [f" {word}" for word in words] if asked["prefix"] else words[:1]
        pieces += [] if asked["prefix"] else [f" {word}" for word in words[1:]]
        kept = pieces[: asked["max_tokens"]]
        finish = "stop" if kept == pieces else "length"
        yield from ({"piece": piece} for piece in kept)
        yield {"tokens": kept, "finish": finish if self.tells else None}

    def score(self, asked):
        for text in asked["texts"]:
            known = [word in self.answer.split() for word in text.split()]
            yield {"logprobs": [-0.1 if each else -2.0 for each in known], "tokens": text.split()}


class Probe(Remote):
    """A model behind such a server."""

    name: ClassVar[str] = "probe"

    port: int
    scores: bool = True
    deadline: float = 5.0

    def card(self):
        able = Capability.TEXT | Capability.CONTINUE
        return Card(able | Capability.SCORE if self.scores else able, "probe")

    async def open(self, name):
        return ProbeClient(self, name, *await asyncio.open_connection("127.0.0.1", self.port))


class ProbeClient(Client):
    """One connection, on which requests follow each other."""

    def __init__(self, probe, name, reader, writer):
        self.probe, self.name = probe, name
        self._reader, self._writer = reader, writer
        self._turn = asyncio.Lock()

    async def generate(self, request, on_text=None):
        asked = {"prefix": request.prefix, "max_tokens": request.sampling.max_tokens}
        draws = [await self._draw(asked, on_text) for _ in request.seeds]
        return Generated(tuple(draws))

    async def score(self, request):
        if request.texts is None:
            raise ModelError("E302", "a prompt is not scored here")
        async with self._asked("score", {"texts": request.texts}):
            replies = [await self._reply() for _ in request.texts]
        return tuple(Score(tuple(each["tokens"]), tuple(each["logprobs"])) for each in replies)

    async def _draw(self, asked, on_text):
        pieces = []
        async with self._asked("generate", asked):
            while "piece" in (reply := await self._reply()):
                pieces.append(reply["piece"])
                if on_text is not None:
                    on_text(reply["piece"])
        usage = {self.name: Usage(1, 1, len(pieces))}
        tokens = tuple(reply["tokens"])
        return Completion("".join(pieces), tokens, finish=reply["finish"], usage=usage)

    @contextlib.asynccontextmanager
    async def _asked(self, verb, asked):
        async with self._turn, asyncio.timeout(self.probe.deadline):
            self._writer.write(json.dumps({"verb": verb, **asked}).encode() + b"\n")
            yield

    async def _reply(self):
        return json.loads(await self._reader.readline())

    async def close(self):
        self._writer.close()
