"""What a member of a span fuse knows for one answer, whoever answers for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

from composer.specs import Declared, Prompted, bare

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractAsyncContextManager

    from composer.engine.sessions.span_parts import Splitter
    from composer.values import Client, Generate, Model, Query

__all__ = ["ClientSource", "MemberContext", "Prices"]

Prices = Mapping[str, tuple[float, float] | None]
"""Dollars for a million tokens that are read, and that are written, by the name of a model."""


class ClientSource(Protocol):
    """What answers for models: the client of each, and how long it may take for one request."""

    async def of(self, model: Model) -> Client:
        """Return what answers for a model."""

    def within(self, model: Model) -> AbstractAsyncContextManager[None]:
        """Hold a model's time limit over one request."""


@dataclass(frozen=True, eq=False, slots=True)
class MemberContext:
    """Which member it is, who answers for it, and which answer it helps to write.

    `names` are those of all members. `tokenizers` are its own, where the boundary reads them.
    """

    name: str
    weight: float
    model: Model
    clients: ClientSource
    prices: Prices
    request: Generate
    names: Sequence[str]
    tokenizers: Sequence[Splitter] = ()

    @property
    def asked(self) -> Model:
        """The model that a client knows: without a prompt that is made here."""
        return self.model if self._prompted is None else bare(self.model)

    @property
    def query(self) -> Query:
        """What the member reads: the query, or what its own prompt makes of it."""
        query, prompted = self.request.query, self._prompted
        return query if prompted is None else query.rewritten(prompted.template.render(query))

    @property
    def _prompted(self) -> Prompted | None:
        """The member, if it is a single model with a prompt, which is made here."""
        model = self.model
        lone = isinstance(model, Prompted) and isinstance(model.model, Declared)
        return cast("Prompted", model) if lone else None
