"""What a group of models is and what is asked of it, as plain values."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from composer.models.checkpoint import ModelError
from composer.ports.asking import Sampling, Score, Usage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from composer.models.checkpoint import Checkpoint

__all__ = [
    "Generated",
    "Job",
    "Member",
    "Messages",
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
Combining = Literal["mean", "logs"]
Aligning = Literal["shared", "union"]


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

    `mean` is `sum w_i p_i`; `logs` is `log_softmax(sum w_i log p_i)`. Weights are divided by
    their sum when `normalize`; a formula arrives as `logs` with its coefficients, which may be
    negative, and is not normalized. `shared` asks for one vocabulary, `union` makes one out of
    the members' tokens. `together` lets members of the same weights step in one forward pass.
    """

    members: tuple[Member, ...]
    names: tuple[str, ...]
    weights: tuple[float, ...] | None = None
    combine: Combining = "mean"
    normalize: bool = True
    align: Aligning = "union"
    together: bool = False

    def __post_init__(self) -> None:
        _check(self.members, self.names, self.weights)


@dataclass(frozen=True, slots=True)
class SpanFuse:
    """Members that propose a span each; the one that all of them find likeliest is kept."""

    members: tuple[Member, ...]
    names: tuple[str, ...]
    weights: tuple[float, ...] | None = None
    words: int = 1
    max_span_tokens: int = 32

    def __post_init__(self) -> None:
        _check(self.members, self.names, self.weights)


Member = Solo | Prompted | TokenFuse | SpanFuse


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
    """An answer; its tokens' log-probabilities include the end's, whose text is empty."""

    text: str
    tokens: tuple[str, ...]
    logprobs: tuple[float, ...]
    confidence: float | None
    finish: Literal["stop", "length", "context"]
    usage: Mapping[str, Usage]
    spans: tuple[Span, ...] = ()


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
    return None if isinstance(member, Solo) else member.weights


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
