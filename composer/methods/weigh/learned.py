"""Weights by a small gate that is fitted on texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

from pydantic import PrivateAttr

from composer.engine.features import FEATURES, features
from composer.heavy import torch
from composer.methods.fitted import TrainablePart, named, shaped
from composer.methods.weigh import Weigh, normalized
from composer.values.capability import Capability

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from composer.engine.distribution import Aligned, MemberWeight
    from composer.engine.parts import Member

__all__ = ["LearnedWeights"]


class LearnedWeights(Weigh, TrainablePart):
    """A small gate over each member's entropy, largest probability and margin, fitted on texts.

    The weight is `w_i exp(a_i f(p_i) + b_i)`, over the sum of the members that have a weight; f are
    the features. The fitted state has `gate` [member, feature + 1], the last column being b.
    """

    name: ClassVar[str] = "learned"
    needs: ClassVar[Capability] = Capability.LOGITS

    _gate: Tensor | None = PrivateAttr(default=None)

    def prepare(self, members: Sequence[Member]) -> Self:
        """Read the rows of the gate that belong to these members."""
        state = self.state()
        order = named(state, [member.name for member in members], self.name)
        gate = shaped(state, "gate", len(state.facts["names"]), len(FEATURES) + 1)
        prepared = self.model_copy()
        prepared._gate = torch.from_numpy(gate).float()[order]  # noqa: SLF001 - its own copy
        return prepared

    def weights(self, aligned: Aligned, weights: Sequence[MemberWeight]) -> list[MemberWeight]:
        """Multiply weights by the softmax of the gate's scores."""
        assert self._gate is not None
        device = aligned.members[0].scores.device
        gates = [self._gate[weight.member].to(device) for weight in weights]
        scores = torch.stack(
            [features(m) @ g[:-1] + g[-1] for m, g in zip(aligned.members, gates, strict=True)], -1
        )
        votes = torch.stack([weight.nonzero_rows(scores)[:, 0] for weight in weights], -1)
        p = scores.masked_fill(~votes, -torch.inf).softmax(-1)
        return normalized([p[:, n, None] for n in range(len(weights))], weights)
