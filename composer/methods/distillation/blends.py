"""How several teachers' distributions become one target."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from composer.heavy import torch
from composer.methods.distillation.base import Blend

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["AverageTeacher", "LeastTeacher"]

By = Literal["text", "token"]


class LeastTeacher(Blend):
    """Take the teacher with the lowest cross-entropy (MinCE), in each text or at each token."""

    name: ClassVar[str] = "least"
    paper: ClassVar[str] = "arXiv:2401.10491"

    by: By = "text"

    def shares(self, nats: Tensor, present: Tensor) -> Tensor:
        """Give all to the one that lost least, of those that are present."""
        lost = _lost(nats, present, self.by).masked_fill(~present, torch.inf)
        best = torch.nn.functional.one_hot(lost.argmin(0), len(lost)).T
        return best * present


class AverageTeacher(Blend):
    """Average the teachers, each with the weight exp(-cross-entropy) (AvgCE).

    It is that in each text, or at each token. The weights are divided by their sum.
    """

    name: ClassVar[str] = "average"
    paper: ClassVar[str] = "arXiv:2401.10491"

    by: By = "text"

    def shares(self, nats: Tensor, present: Tensor) -> Tensor:
        """Divide the weights of those that are present by their sum."""
        lost = _lost(nats, present, self.by).masked_fill(~present, torch.inf)
        return (-lost).softmax(0).nan_to_num() * present


def _lost(nats: Tensor, present: Tensor, by: By) -> Tensor:
    """What each teacher lost: at each place, or on average over those where it is present."""
    if by == "token":
        return nats
    mean = (nats * present).sum(1, keepdim=True) / present.sum(1, keepdim=True).clamp(min=1)
    return mean.expand_as(nats)
