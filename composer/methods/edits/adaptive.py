"""AdaMerging: coefficients found on prompts without references, by gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field, InstanceOf

from composer.heavy import np, torch
from composer.methods.edits.searched import Searched
from composer.methods.fitted import shaped
from composer.specs.parts import Edit
from composer.values import State  # noqa: TC001 - pydantic reads it

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from composer.specs.parts import TensorPlace

__all__ = ["Adaptive", "Masked", "rescaled"]


class Adaptive(Searched):
    """Coefficients with which the merge is surest of its answers; needs questions, no references.

    `compose fit` lowers the entropy of the next-token distributions over the first `tokens` tokens
    of the merge's own greedy answers, by `steps` steps of Adam with learning rate `rate`, each on
    `batch` questions. Coefficients stay between 0 and 1. With `layers` each layer has its own, and
    so have the tensors beside the layers; else each member has one. `mask` also learns which
    numbers of the members' differences are kept, the same for all of them (concrete subspace
    learning, arXiv:2312.06173).
    """

    name: ClassVar[str] = "adaptive"
    paper: ClassVar[str] = "arXiv:2310.02575"

    layers: bool = True
    mask: bool = False
    steps: int = Field(default=100, ge=1)
    rate: float = Field(default=0.01, gt=0)
    batch: int = Field(default=16, ge=1)
    tokens: int = Field(default=8, ge=1)

    def groups_of(self, layers: int) -> int:
        """Return one group for each layer, or 1."""
        return layers if self.layers else 1

    def edit(self, given: Edit) -> Edit:
        """Return the edit, whose result is masked if a mask was learnt."""
        return Masked(inner=given, state=self.state()) if self.mask else given


class Masked(Edit):
    """What an edit changes of the first member, where a learnt mask keeps it.

    The mask of each tensor is stored as bits, and its result is divided by the share of all numbers
    that are kept, so that the change has the same expected size.
    """

    inner: Edit
    state: InstanceOf[State]

    def merged(
        self, tensors: Sequence[Tensor], coefficients: Sequence[float], place: TensorPlace
    ) -> Tensor:
        """Return base + mask * (inner - base) / share."""
        base = tensors[0].clone()  # edits may work in place
        change = self.inner.merged(tensors, coefficients, place) - base
        bits = shaped(self.state, f"mask.{place.name}", (base.numel() + 7) // 8)
        kept = torch.from_numpy(np.unpackbits(bits, count=base.numel()).astype(np.float32))
        share = float(shaped(self.state, "share", 1)[0])
        return base + rescaled(kept.reshape(base.shape), share).to(base) * change


def rescaled(mask: Tensor, share: float) -> Tensor:
    """Return a mask divided by the share of numbers that are kept."""
    return mask / max(share, 1e-6)
