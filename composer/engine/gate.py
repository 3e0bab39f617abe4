"""Gates: at which tokens the other members are asked at all.

The first member leads: it reads every token at once. Where its gate stays shut its own
distribution is drawn from; where it opens, the others catch up in one pass and the fuse speaks.
A gate is made once for a fuse, `unsure(sides, ...)`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import torch

from composer.engine.features import FEATURES, features
from composer.engine.fitted import loaded, shaped
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from composer.engine.distribution import Distributions
    from composer.engine.fitted import FittedState
    from composer.engine.parts import Member

__all__ = ["Gate", "Judge", "Unsure", "critical", "routed", "unsure"]


class Gate(Protocol):
    """`hidden`: whether the gate looks at the lead's last hidden states.

    `greedy`: whether the likeliest entry is taken where the gate opens, however draws are made.
    """

    hidden: bool
    greedy: bool

    def __call__(self, lead: Distributions, hidden: Tensor | None) -> Tensor:
        """Whether to open [row], by what the lead said and its hidden states [row, size]."""


class Unsure:
    """Open where the lead's likeliest token has less than a probability (GaC, arXiv:2406.12585)."""

    hidden = False
    greedy = False

    def __init__(self, below: float) -> None:
        self.below = below

    def __call__(self, lead: Distributions, hidden: Tensor | None) -> Tensor:
        """Compare the largest probability [row] with the threshold."""
        del hidden
        return lead.probabilities().amax(-1) < self.below


class Judge:
    """Open by the probability that a small network gives to what it sees at a token.

    It is a perceptron with rectified layers `w0`, `b0`, `w1`... and one number at its end, over the
    lead's last hidden states, or over features of its distribution. It opens where the probability
    is at least `above`, or where it is less than `below`.
    """

    def __init__(
        self,
        layers: Sequence[tuple[Tensor, Tensor]],
        *,
        hidden: bool,
        above: float | None = None,
        below: float | None = None,
        greedy: bool = False,
    ) -> None:
        self.layers = list(layers)
        self.hidden, self.greedy = hidden, greedy
        self.above, self.below = above, below

    def __call__(self, lead: Distributions, hidden: Tensor | None) -> Tensor:
        """Whether to open [row]."""
        chance = self.chance(lead, hidden)
        if self.above is not None:
            return chance >= self.above
        assert self.below is not None
        return chance < self.below

    def chance(self, lead: Distributions, hidden: Tensor | None) -> Tensor:
        """The network's probability [row]."""
        x = features(lead) if hidden is None or not self.hidden else hidden
        wanted = self.layers[0][0].shape[0]
        if x.shape[1] != wanted:
            raise ModelError(
                "E507",
                f"the gate was fitted on {wanted} numbers for each token, but the first member "
                f"gives {x.shape[1]}",
                "fit it again with the present members",
            )
        for n, (weight, bias) in enumerate(self.layers):
            x = torch.addmm(bias.to(x.device), x, weight.to(x.device))
            x = x if n == len(self.layers) - 1 else x.relu()
        return x[:, 0].sigmoid()


def unsure(sides: Sequence[Member], *, below: float = 0.5) -> Gate:
    """Open where the lead is unsure."""
    del sides
    return Unsure(below)


def critical(
    sides: Sequence[Member],
    *,
    taught: FittedState | None = None,
    above: float = 0.5,
    greedy: bool = True,
) -> Gate:
    """Open, and take the likeliest entry, at tokens that a classifier finds critical (CDS)."""
    layers, hidden = _network(sides, taught, "critical")
    return Judge(layers, hidden=hidden, above=above, greedy=greedy)


def routed(
    sides: Sequence[Member], *, taught: FittedState | None = None, below: float = 0.95
) -> Gate:
    """Open where the lead's token is trusted too little, by its hidden state.

    CITER, arXiv:2502.01976; with weights of 0 for the lead and 1 for the other the token is the
    other's.
    """
    layers, hidden = _network(sides, taught, "routed")
    return Judge(layers, hidden=hidden, below=below)


def _network(
    sides: Sequence[Member], taught: FittedState | None, part: str
) -> tuple[list[tuple[Tensor, Tensor]], bool]:
    """The layers of what a gate learnt, and whether they look at hidden states."""
    state = loaded(taught, part)
    hidden = state.facts.get("sees") == "hidden"
    if hidden and sides[0].model is None:
        raise ModelError(
            "E402",
            f"`{part}` reads hidden states, but {sides[0].name} is a fuse and has none",
            "put a single model first",
        )
    count = max(1, sum(name.startswith("w") for name in state.arrays))
    layers: list[tuple[Tensor, Tensor]] = []
    size: int | None = None
    for n in range(count):
        weight = shaped(state, f"w{n}", size, 1 if n == count - 1 else None)
        size = weight.shape[1]
        bias = shaped(state, f"b{n}", size)
        layers.append((torch.from_numpy(weight).float(), torch.from_numpy(bias)))
    if not hidden and layers[0][0].shape[0] != len(FEATURES):
        raise ModelError("E507", f"`{part}` was fitted on other features", "fit it again")
    return [(weight, bias.float()) for weight, bias in layers], hidden
