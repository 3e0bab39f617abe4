"""One member as a model of bytes: a beam of tokenizations of each text that is followed.

The probability that a member's answer begins with a text is a sum over all ways to write that text
in the member's tokens, where the last token may go on beyond it. The `beam` likeliest ways are
kept; those with less than `prune` of the probability of all are dropped, and what remains is
normalized. So the probabilities of what may follow a text add up to 1, and they are exact if
nothing is dropped. Entries that write no text, such as most special tokens, are ruled out.

Where none of the kept ways goes on with a byte, ways that were dropped are looked for: beginnings
of a token are cut into whole tokens (healing). The idea is that of genlm-bytes, which
arXiv:2603.05432 builds on.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from composer.engine.requests.next_probabilities import NextProbabilities
from composer.engine.sessions.base import all_of
from composer.engine.sessions.prefixes.byte_trie import ByteTrie
from composer.heavy import np

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from composer.engine.sequence import SequenceState
    from composer.engine.sessions.prefixes.byte_trie import Floats, Node
    from composer.values.requests import Sampling
    from composer.values.results import Usage

__all__ = ["END", "Prefix", "PrefixView"]

END = 256
"""In place of a byte: the end of the answer."""


@dataclass(eq=False, slots=True)
class _Context:
    """Whole tokens of the member, which write `length` bytes, and what may follow them.

    `logprob` is that of the tokens, `probabilities` [place of the trie] and `end` are those of the
    next one; nothing may follow where the model's context `is_full`.
    """

    sequence: SequenceState
    logprob: float
    length: int
    probabilities: Floats
    end: float = 0.0
    is_full: bool = False


class _Way(NamedTuple):
    """One way to write a text: whole tokens, then the beginning `node` of one more.

    `logprob` is that of the tokens and of any longer token with this beginning.
    """

    logprob: float
    context: _Context
    node: Node


class _Cut(NamedTuple):
    """A way whose context is not read yet: another one, then an entry; `rest` is still to write."""

    logprob: float
    context: _Context
    entry: int
    rest: bytes = b""


_Step: TypeAlias = _Way | _Cut


@dataclass(frozen=True, eq=False, slots=True)
class Prefix:
    """A text as a member sees it: the ways to write it, and what may follow.

    `logprob` is that of an answer which begins with it, `following` [257] are those of the next
    byte, or of `END`, after it: minus infinity for what cannot follow. `is_full` says that the
    model's context has no room for it.
    """

    logprob: float
    ways: Sequence[_Way]
    following: Floats
    is_full: bool = False


class PrefixView:
    """The byte-prefix probabilities of one member after its prompt, which `sequence` has.

    `sampling` says how the member draws its tokens. Cache rows are forked where ways part; `retain`
    frees those that no text needs any more.
    """

    def __init__(
        self, sequence: SequenceState, sampling: Sampling, beam: int, prune: float
    ) -> None:
        self._trie = ByteTrie.of(sequence.group)
        self._root, self._sampling = sequence, sampling
        self._beam, self._prune = beam, math.log(prune) if prune else -math.inf
        self._open: list[_Context] = []
        self._written: Counter[str] = Counter()

    async def start(self) -> Prefix:
        """Return the empty text."""
        context = _Context(self._root, 0.0, 0, np.zeros(0))
        await self._read([context])
        return self._prefix(0.0, [_Way(0.0, context, self._trie.root)])

    async def extended(self, moves: Sequence[tuple[Prefix, int]]) -> list[Prefix]:
        """Return each text with one more byte, all by one batch of requests where none is healed.

        A byte that cannot follow gives a text of probability zero, which nothing follows.
        """
        pairs = list(moves)
        steps = [self._kept(self._steps(*pair)) for pair in pairs]
        for n, (prefix, byte) in enumerate(pairs):
            if not steps[n] and prefix.ways:
                pairs[n] = await self.healed(prefix, byte), byte
                steps[n] = self._kept(self._steps(*pairs[n]))
        cuts = [step for own in steps for step in own if isinstance(step, _Cut)]
        contexts = iter(await self._contexts(cuts))
        ways = [
            [
                step if isinstance(step, _Way) else _Way(step[0], next(contexts), self._trie.root)
                for step in own
            ]
            for own in steps
        ]
        return [
            self._prefix(prefix.logprob + float(prefix.following[byte]), own)
            for (prefix, byte), own in zip(pairs, ways, strict=True)
        ]

    async def healed(self, prefix: Prefix, byte: int | None = None) -> Prefix:
        """Return the same text with ways that were dropped, whose tokens end at other places.

        Ways are added until one of them goes on with `byte`; without a byte, as many as there are,
        at most `beam` for each token more.
        """
        ways = list(prefix.ways)
        known = {tuple(way.context.sequence.entries) for way in ways}
        rests = [(way.context, self._trie.text(way.node)) for way in ways]
        goes_on = False
        while not goes_on and (cuts := self._cuts(rests, known)):
            contexts = await self._contexts(cuts)
            known |= {tuple(context.sequence.entries) for context in contexts}
            rests = [(context, cut.rest) for cut, context in zip(cuts, contexts, strict=True)]
            more = [way for way in self._ways(rests) if way is not None]
            ways += more
            goes_on = byte is not None and any(True for way in more for _ in self._step(way, byte))
        return self._prefix(prefix.logprob, ways)

    def retain(self, prefixes: Iterable[Prefix]) -> None:
        """Free the cache rows that none of some texts needs."""
        needed = {id(way.context) for prefix in prefixes for way in prefix.ways}
        for context in self._open:
            if id(context) not in needed:
                context.sequence.close()
        self._open = [context for context in self._open if id(context) in needed]

    def usage(self) -> Mapping[str, Usage]:
        """Return the usage by model name; its completion tokens are those of all ways."""
        return {
            name: replace(own, completion_tokens=self._written[name])
            for name, own in self._root.usage().items()
        }

    @property
    def dropped(self) -> Mapping[str, str]:
        """The models that were dropped, each with the reason."""
        return self._root.dropped

    def close(self) -> None:
        """Free all cache rows."""
        self.retain(())
        self._root.close()

    def _steps(self, prefix: Prefix, byte: int) -> Iterator[_Step]:
        """Yield all ways to write a text and one more byte."""
        for way in prefix.ways:
            yield from self._step(way, byte)

    def _step(self, way: _Way, byte: int) -> Iterator[_Step]:
        node, context = self._trie.child(way.node, byte), way.context
        if node is None or context.is_full:
            return
        mass = float(context.probabilities[node.longer : node.high].sum())
        if mass > 0:
            yield _Way(context.logprob + math.log(mass), context, node)
        yield from self._whole(context, node)

    def _whole(self, context: _Context, node: Node, rest: bytes = b"") -> Iterator[_Cut]:
        """Yield the ways to go on from a context with an entry that is a node's bytes exactly."""
        for place in range(node.low, node.longer):
            probability = float(context.probabilities[place])
            if probability > 0:
                entry, logprob = int(self._trie.entries[place]), math.log(probability)
                yield _Cut(context.logprob + logprob, context, entry, rest)

    def _kept(self, steps: Iterable[_Step]) -> list[_Step]:
        """Return the likeliest ways, as many as the beam has and not much less likely than all."""
        ranked = sorted(steps, key=lambda step: -step.logprob)
        if not ranked:
            return []
        least = self._prune + float(np.logaddexp.reduce([step.logprob for step in ranked]))
        likely = [step for step in ranked[: self._beam] if step.logprob >= least]
        return likely or ranked[:1]

    def _cuts(
        self, rests: Iterable[tuple[_Context, bytes]], known: Collection[tuple[int, ...]]
    ) -> list[_Cut]:
        """The likeliest ways to write the beginnings of some texts by one more entry."""
        found = (
            cut
            for context, rest in rests
            for node in self._trie.path(rest)[1:]
            for cut in self._whole(context, node, rest[node.depth :])
            if (*context.sequence.entries, cut.entry) not in known
        )
        return sorted(found, key=lambda cut: -cut.logprob)[: self._beam]

    def _ways(self, rests: Iterable[tuple[_Context, bytes]]) -> Iterator[_Way]:
        """Yield the ways whose last token begins with a text and goes on beyond it."""
        for context, rest in rests:
            node = self._trie.path(rest)[-1]
            if not rest:
                yield _Way(context.logprob, context, node)
            elif node.depth == len(rest):
                mass = float(context.probabilities[node.longer : node.high].sum())
                if mass > 0:
                    yield _Way(context.logprob + math.log(mass), context, node)

    async def _contexts(self, cuts: Sequence[_Cut]) -> list[_Context]:
        """Read the contexts that some ways go on from."""
        contexts = []
        for cut in cuts:
            sequence = cut.context.sequence.fork()
            length = cut.context.length + len(sequence.group.piece(cut.entry))
            contexts.append(_Context(sequence, cut.logprob, length, np.zeros(0)))
            self._open.append(contexts[-1])
            before = {slot: len(state.ids) for slot, state in sequence.states.items()}
            sequence.append(cut.entry)
            for slot, state in sequence.states.items():
                self._written[state.slot.name] += len(state.ids) - before[slot]
        await self._read(contexts)
        return contexts

    async def _read(self, contexts: Sequence[_Context]) -> None:
        """Read what may follow some contexts, as far as there is room."""
        for context in contexts:
            context.sequence.answer_length = context.length
            context.is_full = not context.sequence.drop_full_members()
        readable = [context for context in contexts if not context.is_full]
        requests = [NextProbabilities(each.sequence, self._sampling) for each in readable]
        for context, row in zip(readable, await all_of(requests), strict=True):
            table = row.numpy()
            texts, ends = table[self._trie.entries], float(table[self._trie.ends].sum())
            total = texts.sum() + ends
            if total > 0:
                context.probabilities, context.end = texts / total, ends / total

    def _prefix(self, logprob: float, ways: Sequence[_Way]) -> Prefix:
        """Return a text, given the ways to write it."""
        following = np.zeros(END + 1)
        most = max((way.logprob for way in ways), default=0.0)
        for way in ways:
            following += math.exp(way.logprob - most) * self._shares(way)
        total = following.sum()
        with np.errstate(divide="ignore"):
            logs = np.log(following / total) if total > 0 else np.full(END + 1, -np.inf)
        return Prefix(logprob, tuple(ways), logs, any(way.context.is_full for way in ways))

    def _shares(self, way: _Way) -> Floats:
        """The probabilities [257] of what follows a text, if it was written in one way."""
        context, shares = way.context, np.zeros(END + 1)
        if len(context.probabilities):
            shares[way.node.following] = way.node.masses(context.probabilities)
            shares[END] = 0.0 if way.node.depth else context.end
        total = shares.sum()
        return shares / total if total > 0 else shares
