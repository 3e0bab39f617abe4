"""What an operator sets for a server."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Settings"]


@dataclass(frozen=True, slots=True)
class Settings:
    """How a server treats requests.

    Every request must bring the `key`, if there is one. `keep` are options of requests for which
    the recipe's own values stand. At most `concurrency` queries run at a time, and of each model
    `queue` requests wait. A body has at most `max_body` bytes, a prompt `max_prompt` characters.
    A request ends after `timeout` seconds, and after `stall` seconds in which its client takes
    nothing. Pages of the `origins` may call the server. `page` is whether the page is served.
    `seed` is that of requests that name none; without one each has another one.
    """

    key: str | None = None
    keep: frozenset[str] = frozenset()
    concurrency: int = 64
    queue: int = 256
    max_body: int = 10_000_000
    max_prompt: int = 1_000_000
    timeout: float | None = None
    stall: float = 60.0
    origins: tuple[str, ...] = ()
    page: bool = True
    seed: int | None = None
