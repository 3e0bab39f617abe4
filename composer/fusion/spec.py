"""What a group of models is and what is asked of it, as plain values."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

from composer.models.checkpoint import ModelError
from composer.ports.asking import Sampling, Score, Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from composer.models.checkpoint import Checkpoint

__all__ = [
    "LOGS",
    "MEAN",
    "SHARED",
    "UNION",
    "ByteFuse",
    "Generated",
    "Handoff",
    "Job",
    "Member",
    "Messages",
    "Part",
    "Prompted",
    "Sampling",
    "Score",
    "Solo",
    "Span",
    "SpanFuse",
    "TokenFuse",
    "Usage",
    "checkpoints",
    "shares",
    "weights_of",
]

Messages = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a fuse: where its function is, `module:name`, and the options given to it."""

    where: str
    options: tuple[tuple[str, Any], ...] = ()

    def bind(self) -> Callable[..., Any]:
        """The function, imported now, with its options."""
        module, _, name = self.where.partition(":")
        return partial(getattr(import_module(module), name), **dict(self.options))


MEAN = Part("composer.fusion.combine:mean")
LOGS = Part("composer.fusion.combine:logs")
SHARED = Part("composer.fusion.align.shared:shared")
UNION = Part("composer.fusion.align.union:union")


@dataclass(frozen=True, slots=True)
class Solo:
    """One model."""

    model: Checkpoint


@dataclass(frozen=True, slots=True)
class Prompted:
    """A member that reads another of the job's prompts than the first."""

    member: Member
    prompt: int


@dataclass(frozen=True, slots=True)
class TokenFuse:
    """Members whose next-token distributions become one.

    Weights are divided by their sum when `normalize`; a formula arrives as `LOGS` with its
    coefficients, which may be negative, and is not normalized. `weigh` multiplies the weights at
    every token by what the distributions say, `prior` once by what they say of the prompt. `leave`
    lets members that fail leave; the others' weights are divided by their sum. With a `gate` the
    first member leads; `lazy` lets the others read only where it opens. A `draft` says who writes
    ahead and what the others do with it. Only the outermost fuse may have these four. `together`
    lets members of the same weights step in one pass.
    """

    members: tuple[Member, ...]
    names: tuple[str, ...]
    weights: tuple[float, ...] | None = None
    combine: Part = MEAN
    normalize: bool = True
    align: Part = UNION
    weigh: Part | None = None
    prior: Part | None = None
    gate: Part | None = None
    draft: Part | None = None
    together: bool = False
    lazy: bool = False
    leave: bool = False

    def __post_init__(self) -> None:
        _check(self.members, self.names, self.weights)
        for option in ("gate", "prior", "leave"):
            if any(_has(member, option) for member in self.members):
                said = "weigh" if option == "prior" else option
                raise ModelError(
                    "E402",
                    f"the `{said}` of a fuse inside another fuse is never asked",
                    f"give `{said}` to the outermost fuse",
                )
        weighed = self.weigh is not None or self.prior is not None
        if not self.normalize and (weighed or self.leave):
            raise ModelError(
                "E402",
                "a formula stands as it is written: nobody leaves it, and nothing weighs it anew",
                "leave out `leave` and `weigh`, or say `normalize = true`",
            )
        if weighed and min(self.weights or (0.0,)) < 0:
            raise ModelError(
                "E402",
                "what is weighed anew are shares, and none is negative",
                "leave out `weigh`, or the negative weights",
            )
        if self.draft is not None:
            _undrafted(self)


@dataclass(frozen=True, slots=True)
class SpanFuse:
    """Members that propose a span each; the one that all of them find likeliest is kept.

    No member may have a gate, which would be asked for some of what is weighed and not for the
    rest; the same goes for `ByteFuse`.
    """

    members: tuple[Member, ...]
    names: tuple[str, ...]
    weights: tuple[float, ...] | None = None
    words: int = 1
    max_span_tokens: int = 32

    def __post_init__(self) -> None:
        _check(self.members, self.names, self.weights)
        _ungated(self.members)


@dataclass(frozen=True, slots=True)
class ByteFuse:
    """Members that agree on bytes, each with tokens of its own; `top` of them are weighed up."""

    members: tuple[Member, ...]
    names: tuple[str, ...]
    weights: tuple[float, ...] | None = None
    top: int = 64

    def __post_init__(self) -> None:
        _check(self.members, self.names, self.weights)
        _ungated(self.members)


@dataclass(frozen=True, slots=True)
class Handoff:
    """The first member writes until `when` hands the rest of the answer to another one."""

    members: tuple[Member, ...]
    names: tuple[str, ...]
    when: Part

    def __post_init__(self) -> None:
        _check(self.members, self.names, None)


Member = Solo | Prompted | TokenFuse | SpanFuse | ByteFuse | Handoff


@dataclass(frozen=True, slots=True)
class Job:
    """One answer to write: who writes, what they read, and how they draw.

    `weights` replaces those of the outermost fuse for this job; a member of weight 0 is not run.
    `prefix` is a partial answer to go on from; the text that comes back does not repeat it.
    """

    member: Member
    prompts: tuple[Messages, ...]
    sampling: Sampling = field(default_factory=Sampling)
    weights: tuple[float, ...] | None = None
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class Span:
    """One round of a span fuse: what each member proposed and what each thought of it."""

    text: str
    winner: str
    candidates: Mapping[str, str]
    scores: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Generated:
    """An answer; its tokens' log-probabilities include the end's, whose text is empty.

    `left` says of members that left on the way why they did, `weights` what the prompt gave each.
    """

    text: str
    tokens: tuple[str, ...]
    logprobs: tuple[float, ...]
    confidence: float | None
    finish: Literal["stop", "length", "context"]
    usage: Mapping[str, Usage]
    spans: tuple[Span, ...] = ()
    left: Mapping[str, str] = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=dict)


def checkpoints(member: Member) -> Iterator[Checkpoint]:
    """Every model of a member, left to right, as often as it occurs."""
    todo = [member]
    while todo:
        node = todo.pop()
        if isinstance(node, Solo):
            yield node.model
        elif isinstance(node, Prompted):
            todo.append(node.member)
        else:
            todo.extend(reversed(node.members))


def weights_of(member: Member) -> tuple[float, ...] | None:
    """The weights of a member's outermost fuse, if it says any."""
    while isinstance(member, Prompted):
        member = member.member
    return None if isinstance(member, Solo | Handoff) else member.weights


def shares(
    weights: Sequence[float], count: int, *, normalize: bool = True, signed: bool = False
) -> tuple[float, ...]:
    """Weights as they are used: divided by their sum, unless they are to be taken as they are."""
    if len(weights) != count:
        raise ModelError("E403", f"{count} members, but {len(weights)} weights")
    if not any(weights) or (min(weights) < 0 and not signed):
        raise ModelError("E402", f"weights must not be negative, nor all of them 0: {weights}")
    if not normalize:
        return tuple(float(w) for w in weights)
    total = sum(weights)
    if not 0 < total < math.inf:
        raise ModelError(
            "E402",
            f"coefficients that are divided by their sum need a positive one, not {total:g}",
            "say `normalize = false`",
        )
    return tuple(w / total for w in weights)


def _check(
    members: tuple[Member, ...], names: tuple[str, ...], weights: tuple[float, ...] | None
) -> None:
    if not members:
        raise ModelError("E206", "a fuse needs at least one member")
    if len(names) != len(members) or len(set(names)) != len(names):
        raise ModelError("E204", f"{len(members)} members need as many different names: {names}")
    if weights is not None and len(weights) != len(members):
        raise ModelError("E403", f"{len(members)} members, but {len(weights)} weights")
    if any(_drafted(member) for member in members):
        raise ModelError(
            "E404",
            "a draft inside another fuse is never asked",
            "give the `draft` to the outermost fuse",
        )


def _ungated(members: tuple[Member, ...]) -> None:
    """Refuse gates where a fuse is to say all it knows."""
    if any(_has(member, "gate") for member in members):
        raise ModelError(
            "E402",
            "bytes and spans are weighed by all that a fuse says, which a `gate` holds back",
            "leave the `gate` out",
        )


def _drafted(member: Member) -> bool:
    while isinstance(member, Prompted):
        member = member.member
    return isinstance(member, TokenFuse) and member.draft is not None


def _undrafted(fuse: TokenFuse) -> None:
    """Refuse what changes who is asked, or with what weight, while others write ahead."""
    known = {"gate": fuse.gate, "weigh": fuse.prior, "leave": fuse.leave or None}
    for name, value in known.items():
        if value is not None:
            raise ModelError("E402", f"a fuse has a {name} or a draft, not both", "leave one out")


def _has(member: Member, option: str) -> bool:
    while isinstance(member, Prompted):
        member = member.member
    return isinstance(member, TokenFuse) and getattr(member, option) not in (None, False)
