"""Fusing spans where a member is behind a client: the same algorithm, as an asynchronous task."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from composer.engine.generation import GenerationState
from composer.engine.sessions.span_fuse import fuse_spans
from composer.run.span_client_member import ClientMember
from composer.run.span_context import MemberContext
from composer.run.span_engine import EngineMember
from composer.specs import TokenAccess, leaves
from composer.values import Client, Generate, Generated
from composer.values.bounds import most_tokens
from composer.values.gather import side_by_side

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from composer.engine.sessions.span_asking import SpanMember
    from composer.engine.sessions.span_parts import Boundary, Splitter
    from composer.run.span_context import ClientSource, Prices
    from composer.specs import SpanFuse
    from composer.values import Completion, Model

__all__ = ["SpanClient"]


class SpanClient(Client):
    """Answers for a span fuse with members that others answer for, each within its time limit."""

    tells_attempts = True

    def __init__(self, fuse: SpanFuse, clients: ClientSource, prices: Prices) -> None:
        self.fuse, self._clients, self._prices = fuse, clients, prices
        self._loaded: dict[Model, Sequence[Splitter]] = {}

    def cost(self, request: Generate) -> float:
        """Return the most that it may cost: in each round a member writes a span and reads all.

        Every round reads the prompt and the text anew, since a client holds nothing. With `rerank`
        each member also writes a whole answer, and reads all of them.
        """
        rounds, count = request.sampling.max_tokens, len(self.fuse.members)
        read = (count + 1) * (most_tokens(request.query, request.prefix) + rounds)
        prices = [self._prices.get(leaf.name) or (0.0, 0.0) for leaf in leaves(self.fuse)]
        round_cost = sum(read * price[0] + self.fuse.max_span_tokens * price[1] for price in prices)
        again = sum(2 * read * price[0] + rounds * price[1] for price in prices)
        return (rounds * round_cost + again * self.fuse.rerank) / 1e6

    async def load(self, model: Model) -> None:
        """Load the members."""
        for member in model.members:
            await (await self._clients.of(member)).load(member)

    async def generate(
        self, request: Generate, on_text: Callable[[str], None] | None = None
    ) -> Generated:
        """Write the answers side by side, each at its own pace."""
        samplings = [replace(request.sampling, seed=seed) for seed in request.seeds]
        requests = [replace(request, sampling=sampling) for sampling in samplings]
        return Generated(
            tuple(await side_by_side(self._write(single, on_text) for single in requests))
        )

    async def _tokenizers_of(self, member: Model) -> Sequence[Splitter]:
        """Return the tokenizers of a member, loaded once, if the boundary reads them."""
        if not cast("Boundary", self.fuse.span).reads_tokenizers:
            return ()
        if member not in self._loaded:
            self._loaded[member] = await _tokenizers(member)
        return self._loaded[member]

    async def _write(self, request: Generate, on_text: Callable[[str], None] | None) -> Completion:
        fuse, weights = self.fuse, self.fuse.normalized_weights()
        named = zip(fuse.names, weights, fuse.members, strict=True)
        contexts = [
            MemberContext(
                name,
                weight,
                member,
                self._clients,
                self._prices,
                request,
                fuse.names,
                await self._tokenizers_of(member),
            )
            for name, weight, member in named
            if weight
        ]
        members = [_member(context) for context in contexts]
        answer = GenerationState.of(request, on_text)
        return await fuse_spans(fuse, members, side_by_side, answer, request.query)


async def _tokenizers(model: Model) -> Sequence[Splitter]:
    """Load the tokenizers of the models that answer for a member."""
    from composer.engine.weights.tokenizers import load_tokens  # imports torch

    accesses = {
        leaf.name: leaf.token_access or TokenAccess(leaf.weights, 0) for leaf in leaves(model)
    }
    loaded = [await asyncio.to_thread(load_tokens, *each) for each in accesses.items()]
    return [each.vocabulary for each in loaded]


def _member(context: MemberContext) -> SpanMember:
    """Return a member in the engine if all of its models are there, else one behind a client."""
    is_local = all(leaf.is_local for leaf in leaves(context.model))
    return EngineMember(context) if is_local else ClientMember(context)
