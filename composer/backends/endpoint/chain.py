"""The guard against an ensemble that asks itself.

An ensemble that is served may have members behind servers, which may be ensembles too. Each request
to a server therefore names the ensembles that it came through. A server refuses a request that came
through itself, or through too many others, so that a circle ends with an error at its first turn.
"""

from __future__ import annotations

import ipaddress
import socket
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from composer.values.chain import CHAIN
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = [
    "HEADER",
    "LONGEST",
    "LOOP_STATUS",
    "chain_headers",
    "ensemble_id",
    "refuse_own",
    "refuse_own_address",
    "serving",
    "serving_at",
]

HEADER = "X-Ensemble-Chain"
"""The header of a request that names the ensembles on its way, the first one first."""

LONGEST = 8
"""The most ensembles that a request may have come through."""

LOOP_STATUS = 508
"""The HTTP status (Loop Detected) of a refused request; the same request never succeeds later."""

_served: set[tuple[str, int]] = set()


def ensemble_id() -> str:
    """Return a new id for an ensemble that is served."""
    return uuid.uuid4().hex[:16]


def chain_headers() -> dict[str, str]:
    """Return the header of a request to a server, for the query that is being answered.

    It is read where the query's own task runs, or where another thread works in its context.
    """
    chain = CHAIN.get()
    return {HEADER: ", ".join(chain)} if chain else {}


def refuse_own(own: str, header: str | None) -> tuple[str, ...]:
    """Return the chain of a request; raises ModelError (E721) where `own` may not answer it."""
    chain = tuple(name for part in (header or "").split(",") if (name := part.strip()))
    if own in chain:
        raise ModelError(
            "E721",
            "this ensemble was asked by itself: one of its members is behind this server",
            "give the member the address of another server",
        )
    if len(chain) >= LONGEST:
        raise ModelError(
            "E721",
            f"this request came through {len(chain)} ensembles that ask each other; at most "
            f"{LONGEST} may",
            "let the members ask the models themselves",
        )
    return chain


@contextmanager
def serving(own: str, header: str | None) -> Iterator[None]:
    """Answer a request as the ensemble with the id `own`: what is asked inside names it.

    `header` is that of the request; raises ModelError (E721) where the request must be refused.
    """
    token = CHAIN.set((*refuse_own(own, header), own))
    try:
        yield
    finally:
        CHAIN.reset(token)


@contextmanager
def serving_at(host: str, port: int) -> Iterator[None]:
    """Know that this process serves ensembles at an address."""
    _served.add((host, port))
    try:
        yield
    finally:
        _served.discard((host, port))


def refuse_own_address(name: str, addresses: Iterable[str]) -> None:
    """Raise ModelError (E721) where the model `name` is behind an address that is served here."""
    for address in addresses if _served else ():
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        if any(port == served and _same_host(host, ours) for ours, served in _served):
            raise ModelError(
                "E721",
                f"`{name}` is behind {address}, which is this server itself",
                "give it the address of another server",
            )


def _same_host(host: str, ours: str) -> bool:
    """Say whether a host is the one that is listened at, or this machine where all of it is."""
    if host == ours or (_is_loopback(host) and _is_loopback(ours)):
        return True
    everywhere = ours in ("", "0.0.0.0", "::")  # noqa: S104 - compared, not listened at
    return everywhere and (_is_loopback(host) or host in (socket.gethostname(), socket.getfqdn()))


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
