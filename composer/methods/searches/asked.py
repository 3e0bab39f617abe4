"""A search tree whose nodes grow by asking models: writers for steps, a reward for their worth."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from composer.engine.sessions.span_parts import Boundary, SpanText
from composer.methods.rewards.base import PartialAnswer, Partials
from composer.methods.searches.base import SearchTree
from composer.values import Generate, MissingAnswer
from composer.values.errors import ModelError
from composer.values.finite import finite
from composer.values.flow import unique
from composer.values.gather import attempt, failure_notes, require_quorum, side_by_side

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.methods.rewards.base import StepReward
    from composer.methods.searches.base import Node
    from composer.values import JSON, Asker, Completion, Model, Query, Sampling

__all__ = ["AskedTree", "Steps"]

PIECE = 64
"""Tokens that are asked for at once, where no stop string ends a step."""


@dataclass(frozen=True)
class Steps:
    """How steps are written: the `boundary` that ends one, how tokens are drawn, and how many.

    `sampling.max_tokens` are the most of one step, `max_total_tokens` those of all that the writers
    write. An answer has at most `depth` steps.
    """

    boundary: str | Boundary
    sampling: Sampling
    depth: int
    max_total_tokens: int | None = None

    @property
    def in_pieces(self) -> bool:
        """Whether no stop string ends a step, so that it is asked for piece by piece."""
        return not isinstance(self.boundary, str)

    @property
    def first(self) -> Sampling:
        """How a step begins: up to the stop string, or a piece of it."""
        if isinstance(self.boundary, str):
            return replace(self.sampling, stop=(self.boundary,), keep_stop=True)
        return replace(self.sampling, max_tokens=min(PIECE, self.sampling.max_tokens))

    def end(self, before: str, text: str) -> int | None:
        """Return where the step that begins a text ends; None if it does not."""
        if isinstance(self.boundary, str):
            at = text.find(self.boundary)
            return None if at < 0 else at + len(self.boundary)
        span = SpanText(before)
        span.add(text.encode(errors="surrogateescape"))
        return self.boundary.end(span)


@dataclass(eq=False)
class Draft:
    """A step that a writer has begun after a node: its text so far, and its last piece.

    `ended` says that a boundary has ended it.
    """

    node: Node
    writer: Model
    seed: int
    text: str
    last: Completion
    tokens: int
    ended: bool = False


class AskedTree(SearchTree):
    """Partial answers that writers continue. One that fails is asked no more for this query."""

    def __init__(
        self,
        query: Query,
        writers: Sequence[Model],
        reward: StepReward,
        steps: Steps,
        ask: Asker,
    ) -> None:
        super().__init__(steps.depth)
        self.query, self.reward, self.steps, self.ask = query, reward, steps, ask
        self.writers = dict(zip(unique(writer.name for writer in writers), writers, strict=True))
        self.failed: dict[str, MissingAnswer] = {}
        self.tokens = 0

    async def grow(self, nodes: Sequence[Node], draws: int, *, simulate: bool = False) -> bool:
        """Ask all writers at once, then for the rewards of all different texts."""
        if self.is_spent:
            return False
        drafts = await self._drafts(nodes, draws)
        drafts = list({d.node.partial.text + d.text: d for d in reversed(drafts)}.values())[::-1]
        partials = [self._partial(draft) for draft in drafts]
        wholes = await self._wholes(drafts, partials) if simulate else partials
        judged = Partials(self.query, wholes, list(self.writers.values()))
        rewards = await self.reward.rewards(judged, self.ask)
        rows = zip(drafts, partials, wholes, rewards, strict=True)
        for draft, partial, whole, reward in rows:
            self.add(draft.node, partial, reward, whole if whole.over else None)
        return True

    async def _drafts(self, nodes: Sequence[Node], draws: int) -> list[Draft]:
        """Return the next steps of nodes, drawn by all writers that have not failed."""
        how, count = self.steps.first, draws if self.steps.sampling.temperature else 1
        asked = [
            (node, name, Generate(writer, self.query, how, node.partial.text, count))
            for node in nodes
            for name, writer in self.writers.items()
            if name not in self.failed
        ]
        seeded = [(node, name, request.seeded(self._seed)) for node, name, request in asked]
        work = (attempt(name, self._drawn(node, request)) for node, name, request in seeded)
        replies = await side_by_side(work)
        self.failed |= {each.name: each for each in replies if isinstance(each, MissingAnswer)}
        self.ask.note(**failure_notes(list(self.failed.values())))
        require_quorum(1, len(self.writers), list(self.failed.values()))
        return [
            draft for reply in replies if not isinstance(reply, MissingAnswer) for draft in reply
        ]

    def _seed(self) -> int:
        return self.ask.rng.getrandbits(62)

    async def _drawn(self, node: Node, request: Generate) -> list[Draft]:
        """Ask one writer for all draws of a step, and for the rest of those that go on."""
        generated = await self.ask.ask(request)
        drafts = [
            Draft(node, request.model, seed, each.text, each, self._count(each))
            for seed, each in zip(request.seeds, generated.draws, strict=False)
        ]
        await side_by_side(self._finish(draft) for draft in drafts)
        return drafts

    async def _finish(self, draft: Draft) -> None:
        """Write pieces until the step ends or has its most tokens; cut off what follows its end."""
        before, most = draft.node.partial.text, self.steps.sampling.max_tokens
        while (end := self.steps.end(before, draft.text)) is None:
            goes_on = self.steps.in_pieces and draft.last.finish == "length"
            if not goes_on or draft.tokens >= most:
                return
            how = replace(self.steps.first, max_tokens=min(PIECE, most - draft.tokens))
            request = Generate(draft.writer, self.query, how, before + draft.text)
            (draft.last,) = (await self.ask.ask(request.seeded(lambda: draft.seed))).draws
            draft.text += draft.last.text
            draft.tokens += self._count(draft.last)
        draft.text, draft.ended = draft.text[:end], True

    def _count(self, completion: Completion) -> int:
        """Count the tokens of a completion; return how many it has."""
        usage = sum(each.completion_tokens for each in completion.usage.values())
        self.tokens += usage
        return usage or len(completion.tokens)

    def _partial(self, draft: Draft) -> PartialAnswer:
        """Return the partial answer after a step; it is over if neither end nor limit was met."""
        steps = (*draft.node.partial.steps, draft.text)
        over = not draft.ended and draft.last.finish != "length"
        return PartialAnswer(steps, draft.writer.name, draft.last.confidence, over=over)

    async def _wholes(
        self, drafts: Sequence[Draft], partials: Sequence[PartialAnswer]
    ) -> list[PartialAnswer]:
        """Return each answer written to its end, greedily, by the writer of its last step."""
        how = replace(self.steps.sampling, temperature=0.0)
        pairs = zip(drafts, partials, strict=True)
        requests = [
            Generate(draft.writer, self.query, how, partial.text)
            for draft, partial in pairs
            if not partial.over
        ]
        ends = iter(await self.ask.many(requests))
        return [p if p.over else self._whole(p, next(ends).draws[0]) for p in partials]

    def _whole(self, partial: PartialAnswer, end: Completion) -> PartialAnswer:
        self._count(end)
        steps = (*partial.steps, end.text)
        return PartialAnswer(steps, partial.by, end.confidence, over=end.finish != "length")

    @property
    def is_spent(self) -> bool:
        """Whether the writers have written as many tokens as they may."""
        most = self.steps.max_total_tokens
        return most is not None and self.tokens >= most

    def stopped(self) -> dict[str, JSON]:
        """Return the note that the budget has ended the search; none if it did not."""
        return {"stopped": "max_total_tokens"} if self.is_spent else {}

    def demand_rewards(self) -> None:
        """Raise E704 if no partial answer has a reward."""
        if all(finite(node.reward) is None for node in self.made):
            raise ModelError(
                "E704",
                f"`{self.reward.name}`: none of the rewards is a number",
                f"{self.reward.if_none}, or add a fallback: `(...) | D`",
            )

    def described(self, answer: Node) -> list[JSON]:
        """Return all nodes for the trace, each with the place of its parent among them."""
        places = {node: at for at, node in enumerate(self.made)}
        chosen = set(answer.path)
        return [
            {
                "parent": places.get(node.parent) if node.parent is not None else None,
                "text": node.partial.steps[-1],
                "by": node.partial.by,
                "reward": finite(node.reward),
                **({"visits": node.visits, "value": finite(node.value)} if node.visits else {}),
                "over": node.partial.over,
                "chosen": node in chosen,
            }
            for node in self.made
        ]
