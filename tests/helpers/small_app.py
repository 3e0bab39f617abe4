"""The addresses of the small server: what a request wants is read, and then answered."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field, replace

from small_answers import Chats, Completions
from small_model import SmallModel
from small_replies import Names, RefusedError, event, usage
from small_requests import Requests
from small_schedule import Row, Schedule
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route


@dataclass
class Stats:
    """What a server was asked, and what that cost."""

    requests: Counter = field(default_factory=Counter)
    prompts: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    read: int = 0
    generated: int = 0
    steps: int = 0
    dollars: float = 0.0
    cancelled: int = 0
    headers: list[dict[str, str]] = field(default_factory=list)


class Server(Requests):
    """One model, one schedule, and what a server of these options gives."""

    def __init__(self, options):
        super().__init__(options, SmallModel(options.model))
        self.stats = Stats()
        self.schedule = Schedule(self.model, options.step_ms / 1000, self)

    # The schedule counts in whichever stats there are now.
    def count(self, read, generated):
        self.stats.steps += 1
        self.stats.read += read
        self.stats.generated += generated

    async def models(self, _):
        self.lets("models")
        card = {"id": self.name, "object": "model", "created": 0, "owned_by": "small"}
        if self.lets("models"):
            card |= {"root": self.options.model, "max_model_len": self.model.context}
        return JSONResponse({"object": "list", "data": [card]})

    async def health(self, _):
        return Response()

    async def version(self, _):
        return JSONResponse({"version": "small"})

    async def statistics(self, request):
        if request.method == "DELETE":
            self.stats = Stats()
        return JSONResponse(vars(self.stats))

    async def tokenize(self, request):
        body = await self.body(request)
        self.offers("tokenize")
        if "messages" in body:
            tokens = self.rendered(body)
        else:
            tokens = self.model.encode(body["prompt"], special=body.get("add_special_tokens", True))
        return JSONResponse(
            {"count": len(tokens), "max_model_len": self.model.context, "tokens": tokens}
        )

    async def detokenize(self, request):
        body = await self.body(request)
        self.offers("tokenize")
        return JSONResponse({"prompt": self.model.text(body["tokens"], special=True)})

    async def embeddings(self, request):
        body = await self.body(request)
        self.offers("embeddings")
        texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
        data = [
            {"object": "embedding", "index": index, "embedding": self.model.embed(text)}
            for index, text in enumerate(texts)
        ]
        read = sum(len(self.model.encode(text)) for text in texts)
        counts = {"prompt_tokens": read, "total_tokens": read}
        return JSONResponse({"object": "list", "model": self.name, "data": data, "usage": counts})

    async def completions(self, request):
        body = await self.body(request)
        self.offers("completions")
        prompts = self.prompts(body)
        top = body.get("logprobs")
        order = self.order(body, top, body.get("max_tokens", 16))
        if body.get("echo") and self.lets("echo"):
            order = replace(order, echo=True)
            if order.most == 0 and not self.lets("echo_only"):
                raise RefusedError("max_tokens must be at least 1", param="max_tokens")
            if order.most == 0 and order.chosen:
                message = "`logprob_token_ids` is not supported when nothing is written"
                raise RefusedError(message, param="logprob_token_ids")
        return await self.answer(request, body, prompts, order, Completions)

    async def chat(self, request):
        body = await self.body(request)
        self.offers("chat")
        top = body.get("top_logprobs", 0) if body.get("logprobs") else None
        prompt = self.rendered(body)
        most = body.get("max_completion_tokens") or body.get("max_tokens")
        order = self.order(body, top, most or self.model.context - len(prompt))
        return await self.answer(request, body, [prompt], order, Chats)

    async def answer(self, request, body, prompts, order, kind):
        """Run the rows of a request, and answer at once or as a stream."""
        several = body.get("n") or 1
        several = several if several == 1 or self.lets("n") else 1
        self.fits(prompts, order)
        queue, loop = asyncio.Queue(), asyncio.get_running_loop()

        def tell(*news):
            loop.call_soon_threadsafe(queue.put_nowait, news)

        only_read = order.echo and order.most == 0
        rows = []
        for prompt in prompts:
            for number in range(several):
                seed = None if order.seed is None else order.seed + number
                rows.append(Row(prompt, replace(order, most=order.most or 1, seed=seed), tell))
        self.stats.prompts += len(prompts)
        ids = body.get("return_tokens_as_token_ids") and self.lets("ids")
        reply = kind(self, body, rows, Names(self.model, ids=ids), only_read=only_read)
        self.schedule.add(rows)
        if body.get("stream") and self.lets("stream"):
            return StreamingResponse(self.stream(reply, queue), media_type="text/event-stream")
        finished = asyncio.create_task(_finished(rows, queue))
        gone = asyncio.create_task(_gone(request))
        await asyncio.wait([finished, gone], return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
        if not finished.done():
            finished.cancel()
            self.cancel(rows)
            return Response(status_code=499)
        return JSONResponse(reply.whole() | self.bill(rows, several))

    def bill(self, rows, several):
        """Count what a request cost; give its usage."""
        read = sum(len(row.prompt) for row in rows[::several])
        output = sum(len(row.output) for row in rows)
        self.stats.prompt_tokens += read
        self.stats.completion_tokens += output
        inward, outward = self.options.price
        self.stats.dollars += (read * inward + output * outward) / 1e6
        cached = sum(row.cached for row in rows[::several])
        return {"usage": usage(read, output, cached)} if self.lets("usage") else {}

    def cancel(self, rows):
        """End rows whose reader has gone."""
        for row in rows:
            row.cancelled = True
        self.stats.cancelled += 1

    async def stream(self, reply, queue):
        """Write an answer as it grows, one chunk a token, and the usage where it is wanted."""
        waiting = set(map(id, reply.rows))
        options = reply.body.get("stream_options") or {}
        try:
            for chunk in reply.first():
                yield event(chunk)
            while waiting:
                row, count, text, finish = await queue.get()
                if chunk := reply.chunk(row, count, text, finish):
                    yield event(chunk)
                if finish:
                    waiting.discard(id(row))
            bill = self.bill(reply.rows, reply.body.get("n") or 1)
            if options.get("include_usage") and bill:
                yield event(reply.head | {"choices": []} | bill)
            yield "data: [DONE]\n\n"
        finally:
            if waiting:
                self.cancel(reply.rows)


async def _finished(rows, queue):
    waiting = len(rows)
    while waiting:
        *_, finish = await queue.get()
        waiting -= bool(finish)


async def _gone(request):
    while (await request.receive())["type"] != "http.disconnect":
        pass


def app(options):
    """Make the server of some options."""
    server = Server(options)

    def counted(handler):
        async def handle(request):
            if request.url.path != "/stats":
                server.stats.requests[request.url.path] += 1
                server.stats.headers = [*server.stats.headers[-99:], dict(request.headers)]
                key = request.headers.get("authorization")
                if options.key and key != f"Bearer {options.key}":
                    return JSONResponse({"error": "Unauthorized"}, 401)
            try:
                return await handler(request)
            except RefusedError as refusal:
                return JSONResponse({"error": refusal.error}, refusal.status)

        return handle

    routes = {
        "/v1/models": (server.models, "GET"),
        "/version": (server.version, "GET"),
        "/health": (server.health, "GET"),
        "/tokenize": (server.tokenize, "POST"),
        "/detokenize": (server.detokenize, "POST"),
        "/v1/embeddings": (server.embeddings, "POST"),
        "/v1/completions": (server.completions, "POST"),
        "/v1/chat/completions": (server.chat, "POST"),
    }
    return Starlette(
        routes=[
            Route("/stats", counted(server.statistics), methods=["GET", "DELETE"]),
            *(Route(path, counted(do), methods=[verb]) for path, (do, verb) in routes.items()),
        ]
    )
