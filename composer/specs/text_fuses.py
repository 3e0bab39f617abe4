"""Fuses that put text of their members together: by spans, by bytes, or one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from composer.specs.fuses import Fuse, TokenFuse, WeightedFuse
from composer.specs.models import bare
from composer.specs.problems import SpecProblem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from composer.specs.parts import HandoverSpec
    from composer.values.typed import Typed


__all__ = ["ByteFuse", "Handoff", "SpanFuse", "StringFuse"]


@dataclass(frozen=True)
class _TextFuse(WeightedFuse):
    """A fuse that weighs texts of its members; a member cannot have a gate."""

    def problems(self) -> Iterator[SpecProblem]:
        """Refuse members with a gate, which would hold back a part of the scored text."""
        yield from super().problems()
        for place, inner in self._inner():
            if inner.gate is not None:
                text = f"a member of `{self.word}` cannot have a `gate`"
                yield SpecProblem(
                    "E402", text, "leave the `gate` out", "has a `gate`", member=place
                )


@dataclass(frozen=True, kw_only=True)
class SpanFuse(_TextFuse):
    """Members that propose spans; the one with the best weighted mean of all scores is kept.

    The parts are those of `composer.engine.sessions.span_parts`: `span` says where a span ends,
    `explore` how a member branches where it is unsure, `score` what a member's log-probabilities
    come to, and `filter` which scores do not count. `weigh` changes the weights from span to span.
    With an `exit` members that no longer help are not asked; with `leave` one that fails is
    dropped. With `rerank` the members also write whole answers, and the best of all is kept.
    """

    word: ClassVar[str] = "span_fuse"

    span: Typed
    score: Typed
    explore: Typed | None = None
    filter: Typed | None = None
    weigh: Typed | None = None
    exit: Typed | None = None
    leave: bool = False
    rerank: bool = False
    max_span_tokens: int = 32


@dataclass(frozen=True)
class ByteFuse(_TextFuse):
    """Members that agree on the next bytes, each by the `top` likeliest of its own tokens.

    More tokens are read if none of these agree. The `beam` likeliest hypotheses continue. With
    `tokenizations` the text grows byte by byte instead, and a member's probability of a byte is
    summed over so many ways to write the text.
    """

    word: ClassVar[str] = "byte_fuse"

    top: int = 64
    beam: int = 1
    tokenizations: int | None = None

    @property
    def branches(self) -> int:
        """The hypotheses after the first one."""
        return self.beam - 1


@dataclass(frozen=True, kw_only=True)
class StringFuse(_TextFuse):
    """Members whose probabilities of whole strings become one, by the mean `f`.

    Strings are drawn by so many `particles`, which are drawn anew where their effective number is
    below `resample` times that. Each member follows a text in the `beam` likeliest tokenizations,
    without those that have less than `prune` of the probability.
    """

    word: ClassVar[str] = "string_fuse"

    f: Typed
    particles: int = 10
    resample: float = 0.9
    beam: int = 5
    prune: float = 0.05

    @property
    def branches(self) -> int:
        """The particles after the first one."""
        return self.particles - 1


@dataclass(frozen=True)
class Handoff(Fuse):
    """The first member writes until `when` hands the rest of the answer to another one."""

    word: ClassVar[str] = "handoff"

    when: HandoverSpec

    def problems(self) -> Iterator[SpecProblem]:
        """Check that the members write token by token, and that the rule tells experts apart."""
        yield from super().problems()
        for place, member in enumerate(map(bare, self.members)):
            if isinstance(member, Fuse) and not isinstance(member, TokenFuse):
                text = (
                    f"`{member.word}` cannot be a member of `handoff`, which continues token by "
                    "token"
                )
                help_ = "use models, or a `token_fuse` of them"
                yield SpecProblem(
                    "E302", text, help_, "does not write token by token", member=place
                )
        experts, rule_experts = len(self.members) - 1, self.when.experts
        if experts != rule_experts:
            yield SpecProblem(
                "E206",
                f"`{self.when.name}` chooses among {rule_experts} "
                f"expert{'s' * (rule_experts != 1)}, "
                f"but `handoff` has {experts}",
                "give one member to write first, and one for each expert of the rule",
                "the first member writes, the others are the experts",
            )
