"""What a fuse is: models that write one answer together; and the fuse of their distributions.

A fuse checks itself when it is made and says which member or option is wrong. How members are
weighed, aligned and combined are parts of it; the engine opens them. The fuses that put text
together are in `text_fuses.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from composer.specs.models import bare
from composer.specs.problems import SpecError, SpecProblem, normalized_weights, weight_problems
from composer.values.capability import Capability
from composer.values.flow import Model

if TYPE_CHECKING:
    from collections.abc import Iterator

    from composer.specs.parts import AlignSpec, CombineSpec, DraftSpec, WeighSpec
    from composer.values.typed import Typed

__all__ = ["Fuse", "TokenFuse", "WeightedFuse"]

TOKENS = (
    Capability.TEXT
    | Capability.LOGPROBS
    | Capability.LOGITS
    | Capability.NEXT
    | Capability.SCORE
    | Capability.CONTINUE
)
"""The abilities of a model with one distribution over tokens."""

PIECES = Capability.TEXT | Capability.LOGPROBS | Capability.CONTINUE
"""The abilities of a fuse of texts, which has no next-token distribution."""


@dataclass(frozen=True)
class Fuse(Model):
    """Members that write one answer, under names of their own."""

    word: ClassVar[str]
    abilities: ClassVar[Capability] = PIECES

    members: tuple[Model, ...]
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        problems = list(self.problems())
        if problems:
            raise SpecError(problems)

    @property
    def name(self) -> str:
        """The fuse as it is written, by the names of its members."""
        return f"{self.word}({', '.join(self.names)})"

    @property
    def capabilities(self) -> Capability:
        """What this kind of fuse can do."""
        return self.abilities

    @property
    def branches(self) -> int:
        """How many texts are followed side by side for one answer, besides the first."""
        return 0

    def problems(self) -> Iterator[SpecProblem]:
        """Yield all that is wrong with the fuse."""
        if not self.members:
            yield SpecProblem("E206", "a fuse needs at least one member")
        elif len(self.names) != len(self.members) or len(set(self.names)) != len(self.names):
            count = len(self.members)
            yield SpecProblem(
                "E204", f"each of the {count} members needs a different name: {self.names}"
            )
        for place, inner in self._inner():
            if inner.draft is not None:
                yield SpecProblem(
                    "E402",
                    "`draft` cannot be used in a fuse inside another fuse",
                    "leave `draft` out, or give it to the outermost `token_fuse`",
                    "has a `draft`",
                    member=place,
                )

    def _inner(self) -> Iterator[tuple[int, TokenFuse]]:
        """Yield the members that are token fuses, and their places."""
        for place, member in enumerate(map(bare, self.members)):
            if isinstance(member, TokenFuse):
                yield place, member


@dataclass(frozen=True)
class WeightedFuse(Fuse):
    """A fuse with a weight for each member, which a route may multiply; None: equal weights."""

    weights: tuple[float, ...] | None = None

    def problems(self) -> Iterator[SpecProblem]:
        """Check the weights."""
        yield from super().problems()
        yield from weight_problems(
            self.weights, len(self.members), signed=self.signed, normalized=self.normalized
        )

    @property
    def signed(self) -> bool:
        """Whether weights may be negative."""
        return False

    @property
    def normalized(self) -> bool:
        """Whether weights are divided by their sum."""
        return True

    def normalized_weights(self) -> tuple[float, ...]:
        """Return the weights as they are used, normalized if the fuse says so."""
        weights = self.weights or (1.0,) * len(self.members)
        return normalized_weights(
            weights, len(self.members), normalize=self.normalized, signed=self.signed
        )


@dataclass(frozen=True, kw_only=True)
class TokenFuse(WeightedFuse):
    """Members whose next-token distributions become one.

    Weights are divided by their sum when `normalize`. A formula has the coefficients as weights,
    a `combine` that takes negative ones, and is not normalized. `weigh` multiplies the weights, at
    every token or once by what the members make of the prompt. `leave` lets members that fail
    leave; the others' weights are divided by their sum. With a `gate` the first member leads;
    `lazy` lets the others read only where it opens. A `draft` says who writes ahead and what the
    others do with it. `plausible` rules out what has less than that part of the first member's
    largest probability. `together` lets members of the same weights step in one pass.
    """

    word: ClassVar[str] = "token_fuse"
    abilities: ClassVar[Capability] = TOKENS

    combine: CombineSpec
    align: AlignSpec
    weigh: WeighSpec | None = None
    gate: Typed | None = None
    draft: DraftSpec | None = None
    normalize: bool = True
    plausible: float = 0.0
    together: bool = False
    lazy: bool = False
    leave: bool = False

    @property
    def signed(self) -> bool:
        """Whether weights may be negative: as coefficients of log-probabilities."""
        return self.combine.signed

    @property
    def normalized(self) -> bool:
        """Whether weights are divided by their sum."""
        return self.normalize

    def problems(self) -> Iterator[SpecProblem]:
        """Check options against each other, and against those of the members."""
        yield from super().problems()
        yield from self._unheeded()
        yield from self._formula()
        if self.combine.cascade:
            yield from self._cascaded()
        if self.draft is not None:
            yield from self._drafted(self.draft)

    def _unheeded(self) -> Iterator[SpecProblem]:
        for place, inner in self._inner():
            once = inner.weigh is not None and inner.weigh.once
            has_option = {"gate": inner.gate is not None, "weigh": once, "leave": inner.leave}
            has_option[f"combine = {inner.combine.name}()"] = inner.combine.cascade
            for option in (name for name, has_it in has_option.items() if has_it):
                yield SpecProblem(
                    "E402",
                    f"`{option}` cannot be used in a fuse inside another fuse",
                    f"give `{option}` to the outermost fuse",
                    "inside another fuse",
                    member=place,
                )

    def _formula(self) -> Iterator[SpecProblem]:
        negative = self.weigh is not None and min(self.weights or (0,)) < 0
        if not self.normalize and (self.weigh is not None or self.leave):
            yield SpecProblem(
                "E402",
                "`leave` and `weigh` cannot be used with a formula",
                "leave out `leave` and `weigh`"
                + ("" if negative else ", or write `normalize = true`"),
                "a formula",
            )
        elif negative:
            yield SpecProblem(
                "E402",
                "`weigh` needs weights of zero or more",
                "leave out `weigh`, or the negative weights",
                "has negative weights",
            )

    def _cascaded(self) -> Iterator[SpecProblem]:
        word = self.combine.name
        has_option = {
            "align": not (self.align.alike or self.align.vanishes),
            "weigh": self.weigh is not None,
            "plausible": self.plausible > 0,
            "weights": len(set(self.weights or ()) - {0}) > 1,
        }
        for name in (name for name, has_it in has_option.items() if has_it):
            text = f"`combine = {word}()` and `{name}` cannot be used together"
            help_ = f"leave `{name}` out: `{word}()` decides at each token which member to follow"
            yield SpecProblem("E402", text, help_, "has both")

    def _drafted(self, draft: DraftSpec) -> Iterator[SpecProblem]:
        apart = self.weigh is not None and (self.weigh.once or self.weigh.reads_hidden)
        has_option = {"gate": self.gate is not None, "leave": self.leave, "weigh": apart}
        for name in (name for name, has_it in has_option.items() if has_it):
            text = f"`draft` and `{name}` cannot be used together"
            yield SpecProblem("E402", text, "leave one of them out", "has both")
        if draft.alike and not (self.align.alike or self.align.vanishes):
            text = (
                f"draft `{draft.name}` cannot be used with align `{self.align.name}`: it needs "
                "the members' own tokens"
            )
            help_ = (
                "leave `draft` out, or write `draft = safe()`; members with one vocabulary need "
                "no `align`"
            )
            yield SpecProblem("E402", text, help_, "has both")
        for place, member in enumerate(map(bare, self.members)):
            if draft.lone and isinstance(member, Fuse):
                text = (
                    f"every member of `{draft.name}` must be a single model, not a `{member.word}`"
                )
                help_ = "put the models themselves into one `token_fuse`"
                yield SpecProblem("E302", text, help_, "is several models", member=place)
                return
