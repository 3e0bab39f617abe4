"""Tiny requests of the probe: counted, and told apart from outages where a server refuses one."""

from __future__ import annotations

import asyncio
import re
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from composer.backends.endpoint.faults import AttemptError, BadReplyError
from composer.backends.endpoint.transport.retry import backoff

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from composer.values import JSON

__all__ = ["CHAT", "COMPLETIONS", "MOST", "Prober", "Server", "largest"]

CHAT, COMPLETIONS = "/chat/completions", "/completions"

REFUSALS = frozenset({400, 404, 405, 406, 410, 413, 415, 422, 501})
"""What a server answers that does not know a request, or an option of it."""

NEWER = "max_completion_tokens"
"""What a chat of newer models of OpenAI wants in place of `max_tokens`, and says so."""

NO_GREEDY = re.compile(r"unsupported.*temperature|temperature.*not support", re.IGNORECASE)
"""What models of OpenAI say that refuse a temperature of 0."""

FAULT = 500
"""Some servers answer so to an option that they do not know, each time; others where they fail."""

PATIENCE, LONG_PATIENCE = 3, 8
"""How often a request is sent that fails for another reason, and one that comes too soon (429)."""

TOO_MANY = 429

HANGS = 10.0
"""Seconds after which a request that fails is not sent again."""

MOST = 8
"""Tokens that are written for a request, unless it says otherwise."""

PROMPT_TOKENS = 64
"""What limits of tokens a minute count for a prompt; no prompt of the probe is longer."""


class Server(Protocol):
    """What the probe needs of a transport."""

    async def once(
        self, path: str, body: Mapping[str, JSON] | None = None, *, tokens: int = 0
    ) -> Mapping[str, JSON]:
        """Send a request once, or read a page if there is no body; raises AttemptError."""


class Prober:
    """Asks one model of one server; `requests` counts what was sent.

    `limit` is how a chat calls the most tokens that may be written. `heat` is the temperature: 0,
    and 1 for models that refuse 0.
    """

    def __init__(self, server: Server, model: str, limit: str = "max_tokens") -> None:
        self.model, self.requests, self.limit, self.heat = model, 0, limit, 0
        self.refusals: dict[str, AttemptError] = {}
        self._server = server

    async def ask(self, path: str, **body: JSON) -> Mapping[str, JSON] | None:
        """Return the reply, None where the server refuses; raises AttemptError for an outage."""
        request = {"model": self.model, "max_tokens": MOST, "temperature": self.heat, **body}
        most = request.pop("max_tokens")
        limit = self.limit if path == CHAT else "max_tokens"
        prompt = body.get("prompt")
        count = len(prompt) if isinstance(prompt, list) else 1
        tokens = PROMPT_TOKENS + int(str(most)) * count
        reply = await self._tried(path, request | {limit: most}, tokens)
        if reply is None and self._adapts(path, limit, request["temperature"]):
            return await self.ask(path, **body)
        return reply

    def _adapts(self, path: str, limit: str, temperature: JSON) -> bool:
        """Take up what a refusal asks for; whether the request can be put anew."""
        words = self.refusals[path].message
        if path == CHAT and limit != NEWER and NEWER in words:
            self.limit = NEWER
            return True
        if temperature == 0 and NO_GREEDY.search(words):
            self.heat = 1
            return True
        return False

    async def chat(self, words: str, **body: JSON) -> Mapping[str, JSON] | None:
        """Ask for the answer to one message."""
        return await self.ask(CHAT, messages=[{"role": "user", "content": words}], **body)

    async def complete(self, prompt: JSON, **body: JSON) -> Mapping[str, JSON] | None:
        """Ask for what follows a text, or token ids."""
        return await self.ask(COMPLETIONS, prompt=prompt, **body)

    async def send(self, path: str, body: Mapping[str, JSON]) -> Mapping[str, JSON] | None:
        """Return the reply of what may not be there at all; None, whatever is wrong."""
        self.requests += 1
        with suppress(AttemptError):
            return await self._server.once(path, body, tokens=PROMPT_TOKENS)
        return None

    async def read(self, path: str) -> Mapping[str, JSON] | None:
        """Return what lies at a path; None, whatever is wrong."""
        self.requests += 1
        with suppress(AttemptError):
            return await self._server.once(path)
        return None

    async def _tried(
        self, path: str, body: Mapping[str, JSON], tokens: int
    ) -> Mapping[str, JSON] | None:
        faults = 0
        for attempt in range(1, LONG_PATIENCE + 1):
            self.requests += 1
            began = time.monotonic()
            try:
                return await self._server.once(path, body, tokens=tokens)
            except AttemptError as error:
                faults += error.status == FAULT
                most = LONG_PATIENCE if error.status == TOO_MANY else PATIENCE
                is_last = attempt >= most or time.monotonic() - began > HANGS
                unreadable = is_last and isinstance(error, BadReplyError)
                if error.status in REFUSALS or faults > 1 or unreadable:
                    self.refusals[path] = error
                    return None
                if is_last or not error.transient or error.quota:
                    raise
                await asyncio.sleep(0 if faults else error.wait or backoff(attempt))
        raise AssertionError("the last attempt raises or returns")


async def largest(rungs: Sequence[int], count: Callable[[int], Awaitable[int]]) -> int:
    """Return what comes of the largest rung that is not refused; `count` gives 0 for a refusal.

    The rungs fall. If one is granted, so are the smaller ones.
    """
    best, low, high = 0, 0, len(rungs)
    at = 0
    while low < high:
        amount = await count(rungs[at])
        if amount:
            best, high = amount, at
        else:
            low = at + 1
        at = (low + high) // 2
    return best
