"""What a request comes to: the queries that are put, with their options, and what is replied."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.serve.served import ServedModel
    from composer.values import Query
    from composer.values.options import AnswerOptions

__all__ = ["Draw", "Order"]


@dataclass(frozen=True, slots=True)
class Draw:
    """One answer that is wanted."""

    query: Query
    options: AnswerOptions
    seed: int


@dataclass(frozen=True, slots=True)
class Order:
    """All answers that a request wants of a model.

    `prompt` is the field of the request that holds what is asked. `streams` says that they come in
    chunks, `usage` that these end with the usage, and `counts` that each of them has a running
    one. `trace` says that the whole trace is wanted.
    """

    served: ServedModel
    draws: Sequence[Draw]
    prompt: str
    streams: bool = False
    usage: bool = False
    counts: bool = False
    trace: bool = False
