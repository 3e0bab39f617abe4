"""At which tokens a fuse asks the members after its first."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

from pydantic import Field, PrivateAttr

from composer.diagnostics.amounts import counted
from composer.engine.features import FEATURES, features
from composer.engine.parts import Gate
from composer.heavy import torch
from composer.methods.fitted import TrainablePart, shaped
from composer.values.capability import Capability
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from composer.engine.distribution import Distributions
    from composer.engine.parts import Member
    from composer.values import State

__all__ = ["Critical", "Gate", "NetworkGate", "Routed", "Unsure"]


class Unsure(Gate):
    """Open where the first member's likeliest token has a probability less than `below`."""

    name: ClassVar[str] = "unsure"
    paper: ClassVar[str] = "arXiv:2406.12585"

    below: float = Field(default=0.5, gt=0, le=1)

    def opens(self, first: Distributions, hidden: Tensor | None) -> Tensor:
        """Compare the largest probability [row] with the threshold."""
        del hidden
        return first.probabilities().amax(-1) < self.below


class NetworkGate(Gate, TrainablePart):
    """A gate that opens by the probability that a small network gives.

    The fitted network is a perceptron with rectified layers `w0`, `b0`, `w1`... and one number at
    its end, over the first member's last hidden states, or over features of its distribution.
    """

    needs: ClassVar[Capability] = Capability.LOGITS

    _layers: list[tuple[Tensor, Tensor]] = PrivateAttr(default_factory=list)
    _reads_hidden: bool = PrivateAttr(default=False)

    @property
    def reads_hidden(self) -> bool:
        """Whether the network was fitted on hidden states."""
        return self._reads_hidden

    def prepare(self, members: Sequence[Member]) -> Self:
        """Read the network's layers, and check that its inputs can be had."""
        state = self.state()
        reads_hidden = state.facts.get("sees") == "hidden"
        if reads_hidden and members[0].model is None:
            raise ModelError(
                "E402",
                f"`{self.name}` reads hidden states, but {members[0].name} is a fuse and has none",
                "put a single model first",
            )
        prepared = self.model_copy()
        prepared._layers = _layers(state)  # noqa: SLF001 - its own copy
        prepared._reads_hidden = reads_hidden  # noqa: SLF001 - its own copy
        if not reads_hidden and prepared._layers[0][0].shape[0] != len(FEATURES):  # noqa: SLF001
            raise ModelError("E507", f"`{self.name}` was fitted on other features", "fit it again")
        return prepared

    def chance(self, first: Distributions, hidden: Tensor | None) -> Tensor:
        """Return the network's probability [row]."""
        x = features(first) if hidden is None or not self._reads_hidden else hidden
        size = self._layers[0][0].shape[0]
        if x.shape[1] != size:
            raise ModelError(
                "E507",
                f"the gate was fitted on {counted(size, 'number')} for each token, but the first "
                f"member gives {x.shape[1]}",
                "fit it again with the present members",
            )
        for n, (weight, bias) in enumerate(self._layers):
            x = torch.addmm(bias.to(x.device), x, weight.to(x.device))
            x = x if n == len(self._layers) - 1 else x.relu()
        return x[:, 0].sigmoid()


class Critical(NetworkGate):
    """Open where a classifier of the first member's distribution calls the token critical (CDS).

    There the likeliest token is taken; with `greedy = false` it is sampled as everywhere else.
    """

    name: ClassVar[str] = "critical"

    above: float = Field(default=0.5, gt=0, le=1)
    greedy: bool = True

    @property
    def takes_likeliest(self) -> bool:
        """Whether the likeliest entry is taken where the gate opens."""
        return self.greedy

    def opens(self, first: Distributions, hidden: Tensor | None) -> Tensor:
        """Open where the probability that the token is critical is at least `above`."""
        return self.chance(first, hidden) >= self.above


class Routed(NetworkGate):
    """Open where a network trusts the first member's token, by its hidden state, less than `below`.

    CITER: with `weights = [0, 1]` such a token is the second member's.
    """

    name: ClassVar[str] = "routed"
    paper: ClassVar[str] = "arXiv:2502.01976"
    hidden: ClassVar[bool] = True

    below: float = Field(default=0.95, gt=0, le=1)

    def opens(self, first: Distributions, hidden: Tensor | None) -> Tensor:
        """Open where the trust in the first member's token is less than `below`."""
        return self.chance(first, hidden) < self.below


def _layers(state: State) -> list[tuple[Tensor, Tensor]]:
    """Return the weights and biases of a fitted network, of which each fits the one before."""
    count = max(1, sum(name.startswith("w") for name in state.arrays))
    layers: list[tuple[Tensor, Tensor]] = []
    size: int | None = None
    for n in range(count):
        weight = shaped(state, f"w{n}", size, 1 if n == count - 1 else None)
        size = weight.shape[1]
        bias = shaped(state, f"b{n}", size)
        layers.append((torch.from_numpy(weight).float(), torch.from_numpy(bias).float()))
    return layers
