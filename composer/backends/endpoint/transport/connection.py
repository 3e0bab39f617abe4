"""One attempt over the `openai` client: bytes out, a JSON object or a stream of them back.

The client makes the requests and keeps the connections. It does not retry, and what it accepts
silently is checked here: a body that is no JSON, an error inside of a 200, a stream without an end.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, cast

from composer.backends.endpoint.chain import chain_headers
from composer.backends.endpoint.faults import AttemptError, BadReplyError, missing_package
from composer.backends.endpoint.transport.refusals import of_error_object, of_status
from composer.diagnostics.amounts import number_text

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping

    import httpx2
    from openai._types import RequestOptions

    from composer.values.flow import JSON

__all__ = ["Connection"]

CONNECT, KEPT = 10.0, 3.0
"""Seconds that a connection may take to be made, and for which an idle one is kept.

Servers close idle connections after 5 seconds or more; ours closes first, so that no request is
sent into a connection that the server just closes.
"""

LAST = 0.1
"""Seconds for which the end of a stream is awaited behind `[DONE]`, to keep its connection."""

DONE = "[DONE]"


class Connection:
    """The pool of connections to one address with one key; no key is sent if it is empty."""

    def __init__(self, url: str, key: str) -> None:
        missing = missing_package()
        if missing is not None:
            raise missing
        import httpx2
        import openai

        pool = httpx2.AsyncClient(
            limits=httpx2.Limits(keepalive_expiry=KEPT), follow_redirects=True
        )
        self._client = openai.AsyncOpenAI(
            api_key=key or "none", base_url=url, max_retries=0, http_client=pool
        )
        # Variables of the environment set these, for another service than this one.
        self._client.organization = self._client.project = None
        self._headers = {} if key else {"Authorization": openai.Omit()}

    async def send(
        self, path: str, body: Mapping[str, JSON] | None, idle: float
    ) -> dict[str, JSON]:
        """Send a request, or read a page if there is no body; raises AttemptError."""
        import httpx2

        options = self._options(idle)
        with _failures(idle):
            response = await (
                self._client.get(path, cast_to=httpx2.Response, options=options)
                if body is None
                else self._client.post(path, body=body, cast_to=httpx2.Response, options=options)
            )
        return _reply(response.content)

    @asynccontextmanager
    async def stream(
        self, path: str, body: Mapping[str, JSON], idle: float
    ) -> AsyncIterator[AsyncIterator[dict[str, JSON]]]:
        """Send a request, and give the events of the reply as they come; they raise AttemptError.

        They also raise it if the stream ends without `[DONE]`.
        """
        import httpx2
        import openai

        with _failures(idle):
            opened: object = await self._client.post(
                path,
                body=body,
                cast_to=httpx2.Response,
                options=self._options(idle),
                stream=True,
                stream_cls=openai.AsyncStream[object],
            )
        response = cast("httpx2.Response", opened)  # as it was asked for
        try:
            async with aclosing(_events(response, idle)) as events:
                yield events
        finally:
            await response.aclose()

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()

    def _options(self, idle: float) -> RequestOptions:
        import httpx2

        timeout = httpx2.Timeout(idle, connect=CONNECT, pool=None)
        return {"timeout": timeout, "headers": {**self._headers, **chain_headers()}}


async def _events(response: httpx2.Response, idle: float) -> AsyncGenerator[dict[str, JSON]]:
    import httpx2

    with _failures(idle):
        source = aiter(httpx2.EventSource(response))
        async for event in source:
            if event.data.strip() == DONE:
                with suppress(TimeoutError, httpx2.RequestError):
                    async with asyncio.timeout(LAST):
                        await anext(source, None)
                return
            if event.data:
                yield _reply(event.data)
    raise BadReplyError(f"the stream was cut off: it ended without `{DONE}`")


def _reply(text: str | bytes) -> dict[str, JSON]:
    """Return a reply, which must be a JSON object and no error."""
    try:
        reply = json.loads(text)
    except (ValueError, RecursionError):
        reply = None
    if not isinstance(reply, dict):
        shown = text if isinstance(text, str) else text.decode(errors="replace")
        raise BadReplyError(f"the reply is no JSON object, it begins with `{shown.strip()[:60]}`")
    if reply.get("error"):
        raise of_error_object(reply["error"])
    return reply


@contextmanager
def _failures(idle: float) -> Iterator[None]:
    """Turn the errors of the libraries below into AttemptError."""
    import httpx2
    import openai

    try:
        yield
    except openai.APIStatusError as error:
        response = error.response
        raise of_status(error.status_code, response.headers, response.content) from None
    except openai.APIConnectionError as error:
        raise _broken(error.__cause__ or error, idle) from error
    except httpx2.RequestError as error:
        raise _broken(error, idle) from error


def _broken(cause: BaseException, idle: float) -> AttemptError:
    """Return the failure of a connection that was not made, or broke."""
    import httpx2

    words = _words(cause)
    match cause:
        case httpx2.ConnectTimeout():
            text = f"no connection was made within {number_text(CONNECT)} seconds"
            return AttemptError(text, billed=False)
        case httpx2.ConnectError() | httpx2.PoolTimeout():
            return AttemptError(f"no connection was made: {words}", billed=False)
        case httpx2.UnsupportedProtocol() | httpx2.TooManyRedirects():
            return AttemptError(words, transient=False, billed=False)
        case httpx2.TimeoutException():
            return AttemptError(f"no byte came for {number_text(idle)} seconds")
        case httpx2.SSEError():
            return BadReplyError(f"the reply is no stream of events: {words}")
        case _:
            return AttemptError(f"the connection broke: {words}")


def _words(error: BaseException) -> str:
    """Return what the operating system says, such as `Connection refused`, else the library."""
    words, inner = str(error) or type(error).__name__, error.__cause__ or error.__context__
    while inner is not None:
        if isinstance(inner, ssl.SSLError):
            return _encryption(inner)
        if isinstance(inner, OSError) and inner.errno and inner.errno > 0:
            words = os.strerror(inner.errno)
        elif isinstance(inner, OSError) and inner.strerror:
            words = inner.strerror
        inner = inner.__cause__ or inner.__context__
    return words


def _encryption(error: ssl.SSLError) -> str:
    """Say why `https` failed: a server without it answers in another protocol."""
    reason = (error.reason or str(error)).replace("_", " ").lower()
    if reason in {"wrong version number", "http request"}:
        return "the server does not speak `https`, it may speak `http`"
    return f"`https` failed: {getattr(error, 'verify_message', '') or reason}"
