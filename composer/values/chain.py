"""The ensembles that a query came through; `backends/endpoint/chain.py` tells them to servers."""

from __future__ import annotations

from contextvars import ContextVar

__all__ = ["CHAIN"]

CHAIN: ContextVar[tuple[str, ...]] = ContextVar("ensemble_chain", default=())
"""The ids of the ensembles on the way of the query that is answered, the first one first."""
