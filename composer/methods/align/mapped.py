"""Tokens of one vocabulary projected onto those of another, learned beforehand: EVA.

EVA, arXiv:2404.09492: the output embeddings of two models are rotated onto each other along the
tokens that both have; each token of the one is then a few of the other's, those most like it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from composer.engine.distribution import Distributions
from composer.engine.space import space_of
from composer.heavy import torch
from composer.methods.align import Align
from composer.methods.align.likeliest import Top
from composer.methods.align.pivot import Pivot
from composer.methods.align.procrustes import Projection, project
from composer.methods.fitted import TrainablePart, shaped
from composer.values import State
from composer.values.capability import Capability
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from composer.engine.parts import Member
    from composer.engine.weights.local import LocalModel

__all__ = ["Mapped", "MappedAlignment", "learn_mapping"]

PROJECTION = Projection()
"""EVA's options, as its code has them."""


def learn_mapping(
    pivot: LocalModel, others: Sequence[LocalModel], *, how: Projection = PROJECTION
) -> State:
    """Learn what the tokens of other models are in the vocabulary of the first member.

    For the other n `tokens.n` [token, near] are the first one's tokens, -1 where there are fewer,
    and `likeness.n` how alike they are. The facts say which vocabularies these are. Raises
    ModelError if a model has no output embeddings (E302), or no token in common (E305).
    """
    arrays: dict[str, NDArray[Any]] = {}
    for n, other in enumerate(others):
        tokens, likeness = _mapping(other, pivot, how)
        arrays |= {f"tokens.{n}": tokens.int().numpy(), f"likeness.{n}": likeness.numpy()}
    contents = [space_of(model).content for model in others]
    return State(arrays, {"part": "mapped", "onto": space_of(pivot).content, "from": contents})


def _mapping(own: LocalModel, pivot: LocalModel, how: Projection) -> tuple[Tensor, Tensor]:
    spaces = space_of(own), space_of(pivot)
    common = [p for p in spaces[0].ids if p in spaces[1].ids]
    if not common:
        raise ModelError(
            "E305",
            f"no mapping can be fitted between {own.name} and {pivot.name}, because they have no "
            "token in common",
            "write `align = union()`",
        )
    pairs = torch.tensor([[space.ids[p] for p in common] for space in spaces])
    words = [torch.tensor(sorted(space.ids.values())) for space in spaces]
    vectors = _vectors(own, len(spaces[0])), _vectors(pivot, len(spaces[1]))
    tokens, likeness = project(vectors, pairs, words, how)
    ends = [sorted(space.ends) for space in spaces]
    if all(ends):
        tokens[ends[0], 0], likeness[ends[0], 0] = ends[1][0], 1.0
    return tokens, likeness


def _vectors(model: LocalModel, width: int) -> Tensor:
    embeddings = model.embeddings("output")
    if embeddings is None:
        raise ModelError(
            "E302",
            f"no mapping can be fitted for {model.name}, because it has no output embeddings",
        )
    return embeddings[:width]


class Mapped(Align, TrainablePart):
    """Fitted mappings from the tokens of the other members to those of the first member.

    They are fitted on the output embeddings of the models, rotated onto each other. Only the `k`
    likeliest tokens of each distribution are used. Without `normalize`, a token gives to each of
    its targets a weight equal to their similarity.
    """

    name: ClassVar[str] = "mapped"
    needs: ClassVar[Capability] = Capability.LOGITS
    paper: ClassVar[str] = "arXiv:2404.09492"

    k: int = Field(default=320, ge=1)
    normalize: bool = True

    def prepare(self, members: Sequence[Member], device: torch.device) -> MappedAlignment:
        """Read the mappings of these members; those of other vocabularies are refused (E508).

        With `normalize` a token gives all of its probability to those it is mapped to; else, as in
        the paper's code, one with many like it counts for more.
        """
        state, first = self.state(), members[0]
        if state.facts.get("onto") != first.space.content:
            raise _foreign(f"onto the tokens of {first.name}", members)
        tokens: list[Tensor] = []
        parts: list[Tensor] = []
        for member in members[1:]:
            if member.space.content not in (state.facts.get("from") or ()):
                raise _foreign(f"of the tokens of {member.name}", members)
            n = state.facts["from"].index(member.space.content)
            near = shaped(state, f"tokens.{n}", len(member.space), None)
            if near.dtype.kind != "i" or near.min(initial=-1) < -1:
                raise _foreign(f"onto the tokens of {first.name}", members)
            if near.max(initial=-1) >= len(first.space):
                raise _foreign(f"onto the tokens of {first.name}", members)
            tokens.append(torch.from_numpy(near).long())
            parts.append(torch.from_numpy(shaped(state, f"likeness.{n}", *near.shape)))
        if self.normalize:
            positive = [each.clamp(min=0) for each in parts]
            parts = [torch.nn.functional.normalize(each, p=1, dim=-1) for each in positive]
        return MappedAlignment(members, device, tokens, parts, k=self.k)


def _foreign(what: str, members: Sequence[Member]) -> ModelError:
    names = ", ".join(member.name for member in members)
    return ModelError(
        "E508",
        f"the file of `mapped` is not a mapping {what}",
        f"a mapping belongs to its vocabularies; fit one for {names}, in this order",
    )


class MappedAlignment(Pivot):
    """An alignment by learnt mappings to the first member's tokens.

    For each other member, `tokens` [token, near] of the first one's, -1 for none, and `parts`
    [token, near] of its probability that they get.
    """

    def __init__(
        self,
        members: Sequence[Member],
        device: torch.device,
        tokens: Sequence[Tensor],
        parts: Sequence[Tensor],
        *,
        k: int,
    ) -> None:
        super().__init__(members, device)
        widths = [len(member.space) for member in members]
        self._top = [Top(torch.ones(n, dtype=torch.bool, device=device), k) for n in widths]
        self._tokens = [each.where(each >= 0, widths[0]).to(device) for each in tokens]
        self._parts = [each.to(device) for each in parts]

    def read(self, member: int, distribution: Distributions) -> Distributions:
        """What a member's likeliest tokens say of the first one's, as far as they are mapped."""
        top = self._top[member](distribution.scores)
        p = Distributions(distribution.scores.gather(1, top), distribution.linear).probabilities()
        total = p.new_zeros(len(p), len(self.space) + 1)
        if member:
            p = (p[:, :, None] * self._parts[member - 1][top]).flatten(1)
            top = self._tokens[member - 1][top].flatten(1)
        return Distributions(total.scatter_add_(1, top, p)[:, :-1], linear=True)
