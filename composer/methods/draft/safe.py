"""Writing an answer by one member, which the others only mend: generate, verify, ensemble.

SAFE, arXiv:2510.15346. The first member, the lead, drafts some tokens alone; the others read the
text of the draft, in tokens of their own, in one pass. At the first token that begins where tokens
of all members begin, that the lead gave less than one half, that it and another member together
gave less than one, and where that member's likeliest token is another, the rest of the draft is
dropped and the fused distribution is drawn from once. All other tokens are the lead's own.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from composer.engine.fuse_tree import FuseNode, ModelNode
from composer.engine.generation import GenerationState
from composer.engine.requests.base import END, Phase
from composer.engine.requests.draw import Draw
from composer.engine.requests.read_logits import Prefill
from composer.engine.requests.score_tokens import ScoreTokens
from composer.engine.sequence import SequenceState
from composer.engine.sessions.generate import generate, open_sequence, total_usage
from composer.methods.combine import Logs
from composer.methods.draft import Draft
from composer.methods.draft.sharpened import Sharpened
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from composer.engine.group import Group
    from composer.engine.requests.draw import Drawn
    from composer.engine.requests.score_tokens import TokenScores
    from composer.engine.sequence import MemberState
    from composer.specs import TokenFuse
    from composer.values.requests import Generate
    from composer.values.results import Completion

__all__ = ["Safe"]

_SCORE, _FUSE = 1 << 20, 1 << 21  # phases beyond all drafting, however long drafts are
_HALF, _WHOLE = 0.5, 1.0  # with more, the token is the likeliest of the mean, whatever the others'


class Safe(Draft):
    """Keep the first member's tokens unless it is unsure and another member disagrees (SAFE).

    The members fuse one token where three conditions are true: the first member gave its token p <
    1/2, a member with another likeliest token gave it q < 1 - p, and tokens of all members begin
    there. `sharpen` is how they fuse: `geometric` by the square root of p q; `prefixes` adds to a
    likely token the probability of likely tokens that begin with it.
    """

    name: ClassVar[str] = "safe"
    paper: ClassVar[str] = "arXiv:2510.15346"
    lone: ClassVar[bool] = True

    tokens: int = Field(default=5, ge=1, le=64)
    sharpen: Literal["geometric", "prefixes", "none"] = "geometric"

    def fuse(self, fuse: TokenFuse) -> TokenFuse:
        """Return the fuse with a sharpened distribution."""
        if self.sharpen == "geometric" and not fuse.combine.signed:
            return replace(fuse, combine=Logs())
        if self.sharpen == "prefixes":
            return replace(fuse, align=Sharpened(of=fuse.align))
        return fuse

    async def write(
        self,
        group: Group,
        fuse: TokenFuse,
        job: Generate,
        on_text: Callable[[str], None] | None,
    ) -> Completion:
        """Draft by the first member, and fuse where another one disagrees."""
        root = group.root
        models = isinstance(root, FuseNode) and all(
            isinstance(child, ModelNode) for child in root.children
        )
        if not models:
            raise ModelError(
                "E302",
                "`draft = safe()` needs single models as members, not fuses",
                "put the models themselves into one `token_fuse`",
            )
        weights = group.weights(fuse)
        lead = weights[0] and sum(map(bool, weights)) > 1
        if not lead:  # no member to draft, or none to verify
            return await generate(group, fuse, job, on_text)
        sequence, answer = (
            open_sequence(group, job, weights),
            GenerationState.of(job, on_text),
        )
        mending = _Mending(sequence, answer, self.tokens)
        try:
            await mending.run()
            usage = total_usage(mending.sequence, mending.answer)
        finally:
            mending.sequence.close()
        return replace(mending.answer.close(usage), facts=mending.sequence.facts)


@dataclass(eq=False)
class _Reader:
    """A member that verifies: its own tokens after `base` spell `tail`, which may be cut anew."""

    state: MemberState
    base: int
    tail: bytes = b""

    def give(self, text: bytes) -> list[int]:
        """Its tokens of a text that goes on: those that are new, once the old ones are cut back."""
        vocabulary = self.state.slot.runner.model.vocabulary
        new, old = vocabulary.extend(self.tail + text), self.state.ids[self.base :]
        pairs = enumerate(zip(old, new, strict=False))
        same = next((n for n, (a, b) in pairs if a != b), min(len(old), len(new)))
        _back(self.state, self.base + same)
        return list(new[same:])

    def places(self) -> dict[int, int]:
        """Where its tokens begin, in bytes from where the draft does: how many go before."""
        vocabulary = self.state.slot.runner.model.vocabulary
        sizes = [len(vocabulary.piece(token)) for token in self.state.ids[self.base :]]
        starts = accumulate(sizes, initial=-len(self.tail))
        return {start: self.base + n for n, start in enumerate(starts)}

    def keep(self, text: bytes) -> None:
        """The draft stands; only what begins with it may be cut anew together with the next."""
        places = self.places()
        start = max(start for start in places if start <= 0)
        self.base, self.tail = places[start], (self.tail + text)[len(self.tail) + start :]

    def settle(self) -> None:
        """What was read stays as it is."""
        self.base, self.tail = len(self.state.ids), b""


@dataclass(eq=False)
class _Drafted:
    """A token of the lead: what was drawn, and how many tokens of its own go before it."""

    drawn: Drawn
    before: int


class _Mending:
    """An answer on its way: the lead's tokens, and some of all members."""

    def __init__(self, sequence: SequenceState, answer: GenerationState, tokens: int) -> None:
        self.sequence, self.answer, self.tokens = sequence, answer, tokens
        self._rng = random.Random(answer.sampling.seed)  # noqa: S311  # not for secrets
        lead, *others = sequence.states
        alone = (1.0, *(0.0 for _ in sequence.weights[1:]))
        self._lead = SequenceState(sequence.group, alone, {lead: sequence.states[lead]})
        self._readers = {n: _Reader(t := sequence.states[n], len(t.ids)) for n in others}

    @property
    def _track(self) -> MemberState:
        return self._lead.states[self._lead.first_slot]

    async def run(self) -> None:
        """Draft, verify, and fuse where the others object."""
        await Prefill(self.sequence)
        while self.answer.finish is None:
            if self.sequence.remaining_context < 0:
                self.answer.finish = "context"
                return
            self.sequence.snapshot()
            draft = await self._draft()
            at = await self._verify(draft)
            self._write([each.drawn for each in draft[:at]])
            if at < len(draft) and self.answer.finish is None:
                await self._fuse()

    async def _draft(self) -> list[_Drafted]:
        """The lead goes on alone, up to the end, or as far as anyone may."""
        draft: list[_Drafted] = []
        greedy = self.answer.sampling.temperature == 0
        done = len(self.answer.tokens)
        left = max(1, self.answer.sampling.max_tokens) - done
        if (
            done < self.answer.sampling.min_tokens
        ):  # all of a draft may end the answer, or none of it
            left = min(left, self.answer.sampling.min_tokens - done)
        while len(draft) < min(self.tokens, left) and self.sequence.remaining_context >= 0:
            self._lead.answer_length = done + len(draft)
            ahead = min(self.tokens, left) - len(draft) if greedy else 1
            drawn = await self._draw(self._lead, len(draft), ahead)
            draft.append(_Drafted(drawn, len(self._track.ids)))
            if drawn.entry in self.sequence.group.space.ends:
                break
            self._lead.append(drawn.entry)
        return draft

    def _draw(self, sequence: SequenceState, step: int, ahead: int = 1) -> Draw:
        phase, uniform, answer = self._phase(step), self._rng.random(), self.answer
        return Draw(sequence, answer.sampling, uniform, phase, ahead, answer.detail)

    def _phase(self, step: int) -> Phase:
        return Phase((self.sequence.group, "safe"), step)

    async def _verify(self, draft: list[_Drafted]) -> int:
        """Let the others read a draft; where all of them are to go on together, if anywhere."""
        tokens = self._fit(draft)
        if tokens is None:
            _back(self._track, draft[0].before)
            self.answer.finish = "context"
            return 0
        for n, own in tokens.items():
            self._readers[n].state.ids.extend(token for token in own if token != END)
        self.sequence.answer_length = len(self.answer.tokens)
        how = self.answer.sampling
        scores = await ScoreTokens(self.sequence, tokens, self._phase(_SCORE), how)
        at = self._objection(draft, tokens, scores)
        if at < len(draft):
            self._go_back(draft, at)
        else:
            for reader in self._readers.values():
                reader.keep(self._text(draft))
        return at

    def _fit(self, draft: list[_Drafted]) -> dict[int, list[int]] | None:
        """Cut a draft to what the others have room for; their tokens of it, None if none."""
        while draft:
            tokens = {n: reader.give(self._text(draft)) for n, reader in self._readers.items()}
            if all(r.state.remaining_context >= len(tokens[n]) for n, r in self._readers.items()):
                if draft[-1].drawn.entry in self.sequence.group.space.ends:
                    return {n: [*given, END] for n, given in tokens.items()}
                return tokens
            if len(draft) == 1:
                return None
            _back(self._track, draft.pop().before)
        return None

    def _text(self, draft: Sequence[_Drafted]) -> bytes:
        return self.sequence.group.bytes_of([each.drawn.entry for each in draft])

    def _objection(
        self,
        draft: Sequence[_Drafted],
        tokens: Mapping[int, Sequence[int]],
        scores: Mapping[int, TokenScores],
    ) -> int:
        """The first token of a draft at which members fuse, or their number."""
        places = {n: self._places(n, tokens[n]) for n in self._readers}
        offset = 0
        for n, each in enumerate(draft):
            own = math.exp(each.drawn.logprob)
            if own < _HALF and all(offset in known for known in places.values()):
                for slot, seen in scores.items():
                    at = places[slot][offset]
                    if self._objects(slot, tokens[slot][at], seen.likeliest[at]) and (
                        own + math.exp(seen.logprobs[at]) < _WHOLE
                    ):
                        return n
            offset += len(self.sequence.group.piece(each.drawn.entry))
        return len(draft)

    def _places(self, slot: int, tokens: Sequence[int]) -> dict[int, int]:
        """Where in the draft, in bytes, each of a member's new tokens begins."""
        reader = self._readers[slot]
        start = len(reader.state.ids) - len(tokens) + (tokens[-1:] == [END])
        offsets = {offset: at - start for offset, at in reader.places().items()}
        return {offset: at for offset, at in offsets.items() if 0 <= at < len(tokens)}

    def _objects(self, slot: int, token: int, best: int) -> bool:
        """Whether a member's likeliest token is not its own one of the draft."""
        ends = self._readers[slot].state.slot.runner.model.ends
        return best not in ends if token == END else best != token

    def _go_back(self, draft: Sequence[_Drafted], at: int) -> None:
        """All members stand before a token of the draft."""
        offset = len(self._text(draft[:at]))
        _back(self._track, draft[at].before)
        for reader in self._readers.values():
            _back(reader.state, reader.places()[offset])
            reader.settle()

    async def _fuse(self) -> None:
        """One token of all members."""
        self.sequence.answer_length = len(self.answer.tokens)
        drawn = await self._draw(self.sequence, _FUSE)
        self._write([drawn])
        if drawn.entry not in self.sequence.group.space.ends:
            self.sequence.append(drawn.entry)
        for reader in self._readers.values():
            reader.settle()

    def _write(self, drawn: Sequence[Drawn]) -> None:
        group = self.sequence.group
        for each in drawn:
            if self.answer.finish is None:
                ends = each.entry in group.space.ends
                piece = group.piece(each.entry)
                self.answer.add(piece, each.logprob, ends=ends, choice=each.choice)


def _back(state: MemberState, count: int) -> None:
    """Go back to the first tokens of a track."""
    del state.ids[count:]
    while state.entry_starts and state.entry_starts[-1] >= count:
        state.entry_starts.pop()
    state.slot.runner.rows.crop(state.row, len(state.ids))
