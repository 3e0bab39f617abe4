"""Reward models in training, several over one base, and what they learn from pairs of answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor, nn

__all__ = ["SideBySide", "preference_loss", "weights_of"]

SCALE = 2.0
"""By what the product of the two matrices of an adapter is multiplied: alpha is twice the rank."""


def preference_loss(chosen: Tensor, rejected: Tensor) -> Tensor:
    """Return -log sigmoid(r_chosen - r_rejected), the loss of Bradley and Terry, of each pair.

    Source: arXiv:2203.02155.
    """
    return torch.nn.functional.softplus(rejected - chosen)


class SideBySide(torch.nn.Module):
    """Adapters of one frozen model that are trained side by side, each for a member of an ensemble.

    The linear layers whose names contain `within` have an adapter of a `rank` for each member
    (LoRA, arXiv:2106.09685). A pass through `base` has the rows of all members, one member behind
    the other, and as many rows of each.
    """

    def __init__(
        self, base: nn.Module, members: int, rank: int, seed: int, within: str = "layers."
    ) -> None:
        super().__init__()
        self.members, self.rank = members, rank
        self.base = [base.requires_grad_(requires_grad=False)]  # it is no part of what is trained
        linear = (n for n, layer in base.named_modules() if isinstance(layer, torch.nn.Linear))
        self.names = [name for name in linear if within in name]
        generator = torch.Generator().manual_seed(seed)
        self.down, self.up = torch.nn.ParameterList(), torch.nn.ParameterList()
        for at, name in enumerate(self.names):
            layer = base.get_submodule(name)
            assert isinstance(layer, torch.nn.Linear)
            shape = members, rank, layer.in_features
            start = torch.randn(shape, generator=generator) * layer.in_features**-0.5
            self.down.append(torch.nn.Parameter(start))
            self.up.append(torch.nn.Parameter(torch.zeros(members, layer.out_features, rank)))
            layer.register_forward_hook(self._hook(at))

    def _hook(self, at: int) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], Tensor]:
        def add(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            read = inputs[0].reshape(self.members, -1, inputs[0].shape[-1])
            low = read @ self.down[at].transpose(1, 2)
            added: Tensor = low @ self.up[at].transpose(1, 2)
            return output + SCALE * added.view_as(output)

        return add

    def diversity(self) -> Tensor:
        """Return the mean over the layers of the nuclear norm of the members' matrices together.

        It is the greater, the less the members have in common (arXiv:2401.00243).
        """
        norms = []
        for down, up in zip(self.down, self.up, strict=True):
            norms.append(torch.linalg.matrix_norm(down.flatten(0, 1), ord="nuc"))
            norms.append(torch.linalg.matrix_norm(up.transpose(1, 2).flatten(0, 1), ord="nuc"))
        return torch.stack(norms).mean()

    def adapters(self) -> Iterator[tuple[dict[str, Tensor], dict[str, object]]]:
        """Yield the tensors of each member as peft names them, and its adapter_config.json."""
        config = {
            "peft_type": "LORA",
            "r": self.rank,
            "lora_alpha": SCALE * self.rank,
            "target_modules": sorted({name.rpartition(".")[2] for name in self.names}),
        }
        for member in range(self.members):
            tensors = {}
            for name, down, up in zip(self.names, self.down, self.up, strict=True):
                tensors[f"base_model.model.{name}.lora_A.weight"] = down[member]
                tensors[f"base_model.model.{name}.lora_B.weight"] = up[member]
            yield {name: each.detach().contiguous() for name, each in tensors.items()}, dict(config)


def weights_of(pairs: int, members: int, seed: int, *, bootstrap: bool) -> Tensor:
    """Return how often each member learns from each pair [member, pair]: once, or as it is drawn.

    With `bootstrap` each member has as many pairs as there are, drawn with replacement.
    """
    if not bootstrap:
        return torch.ones(members, pairs)
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(pairs, (members, pairs), generator=generator)
    return torch.zeros(members, pairs).scatter_add_(1, drawn, torch.ones(members, pairs))
