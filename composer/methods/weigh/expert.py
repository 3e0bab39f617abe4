"""Weights of one expert a token, picked from the first member's hidden states (FusionRoute)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

from pydantic import PrivateAttr

from composer.diagnostics.amounts import counted
from composer.heavy import torch
from composer.methods.fitted import TrainablePart, named, shaped
from composer.methods.weigh import Weigh
from composer.values.capability import Capability
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from composer.engine.distribution import Aligned, MemberWeight
    from composer.engine.parts import Member

__all__ = ["Expert"]


class Expert(Weigh, TrainablePart):
    """The first member, and at each token the one expert that it picks by its hidden state.

    The first member is the router. A linear head on its last hidden state h has a score for each
    other member, and the greatest is picked: argmax_i (W h + b)_i. The weights of the router and of
    the expert are those of the fuse times the number of members, so 1 and 1 where all have the same
    weight; those of the others are 0. With `combine = logs()` the fuse is then FusionRoute's,
    log p = log p_router + log p_expert, renormalised. The fitted state has `head` [expert, size +
    1], the last column being b.
    """

    name: ClassVar[str] = "expert"
    paper: ClassVar[str] = "arXiv:2601.05106"
    needs: ClassVar[Capability] = Capability.LOGITS
    reads_hidden: ClassVar[bool] = True
    hidden: ClassVar[bool] = True

    _head: Tensor | None = PrivateAttr(default=None)

    def prepare(self, members: Sequence[Member]) -> Self:
        """Read the rows of the head that belong to the members after the first."""
        first, *experts = members
        if first.model is None:
            raise ModelError(
                "E402",
                f"`{self.name}` reads hidden states, but {first.name} is a fuse and has none",
                "put a single model first",
            )
        state = self.state()
        order = named(state, [member.name for member in experts], self.name)
        head = shaped(state, "head", len(state.facts["names"]), None)
        prepared = self.model_copy()
        prepared._head = torch.from_numpy(head).float()[order]  # noqa: SLF001 - its own copy
        return prepared

    def weights(self, aligned: Aligned, weights: Sequence[MemberWeight]) -> list[MemberWeight]:
        """Give the router and the picked expert their weights, the others none."""
        assert self._head is not None
        assert aligned.hidden is not None
        head, hidden = self._head.to(aligned.hidden.device), aligned.hidden.float()
        if hidden.shape[1] != head.shape[1] - 1:
            raise ModelError(
                "E507",
                f"`{self.name}` was fitted on {counted(head.shape[1] - 1, 'number')} for each "
                f"token, but the first member gives {hidden.shape[1]}",
                "fit it again with the present members",
            )
        like = aligned.members[0].scores
        counts = torch.cat([weight.nonzero_rows(like) for weight in weights], -1)  # [row, member]
        own = hidden @ head[:, :-1].T + head[:, -1]
        scores = torch.cat([own.new_full((len(own), 1), -torch.inf), own], -1)
        scores = scores[:, [weight.member for weight in weights]].masked_fill(~counts, -torch.inf)
        best = scores.argmax(-1, keepdim=True)
        total = counts.sum(-1, keepdim=True).to(like.dtype)
        return [
            weight.scaled(total if weight.member == 0 else total * (best == n))
            for n, weight in enumerate(weights)
        ]
