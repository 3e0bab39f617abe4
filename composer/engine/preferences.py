"""Reward models in training: several over one base, by pairs of which one answer was preferred."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from torch import Tensor, nn
    from transformers import PreTrainedModel

__all__ = ["AdapterMembers", "preference_loss"]

SCALE = 2.0
"""By what the product of the two matrices of an adapter is multiplied: alpha is twice the rank."""


def preference_loss(chosen: Tensor, rejected: Tensor) -> Tensor:
    """Return -log sigmoid(r_chosen - r_rejected), the loss of Bradley and Terry, of each pair.

    Source: arXiv:2203.02155.
    """
    return torch.nn.functional.softplus(rejected - chosen)


class AdapterMembers(torch.nn.Module):
    """Adapters of one frozen language model, each with a head, which are trained side by side.

    Every linear layer of the model has an adapter of a `rank` (LoRA, arXiv:2106.09685). A pass has
    the rows of all members, one member behind the other. `end` is the last token of each row.
    """

    def __init__(self, base: PreTrainedModel, members: int, rank: int, seed: int) -> None:
        super().__init__()
        self.members, self.rank = members, rank
        self._base = [base.requires_grad_(requires_grad=False)]  # it is no part of what is trained
        self.names = [n for n, layer in base.named_modules() if isinstance(layer, torch.nn.Linear)]
        generator = torch.Generator().manual_seed(seed)
        self.down, self.up = torch.nn.ParameterList(), torch.nn.ParameterList()
        for at, name in enumerate(self.names):
            layer: nn.Linear = base.get_submodule(name)
            shape = members, rank, layer.in_features
            start = torch.randn(shape, generator=generator) * layer.in_features**-0.5
            self.down.append(torch.nn.Parameter(start))
            self.up.append(torch.nn.Parameter(torch.zeros(members, layer.out_features, rank)))
            layer.register_forward_hook(self._hook(at))
        size = base.config.hidden_size
        heads = torch.randn(members, size, generator=generator) * size**-0.5
        self.heads = torch.nn.Parameter(heads)

    def _hook(self, at: int):  # noqa: ANN202 - a hook of torch
        def add(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            read = inputs[0].reshape(self.members, -1, inputs[0].shape[-1])
            low = read @ self.down[at].transpose(1, 2)
            return output + SCALE * (low @ self.up[at].transpose(1, 2)).view_as(output)

        return add

    def forward(self, ids: Tensor, mask: Tensor, ends: Tensor) -> Tensor:
        """Return the rewards [member, row] of rows of tokens [row, token]."""
        many = (self.members, 1)
        out = self._base[0](
            input_ids=ids.repeat(many), attention_mask=mask.repeat(many), use_cache=False
        )
        hidden = out.last_hidden_state.view(self.members, *ids.shape, -1)
        last = hidden[:, torch.arange(len(ids)), ends]
        return torch.einsum("mrh,mh->mr", last, self.heads)

    def diversity(self) -> Tensor:
        """Return the nuclear norm of the members' matrices beside each other, over the layers.

        It is the greater, the less the members have in common (arXiv:2401.00243).
        """
        norms = []
        for down, up in zip(self.down, self.up, strict=True):
            norms.append(torch.linalg.matrix_norm(down.flatten(0, 1), ord="nuc"))
            norms.append(torch.linalg.matrix_norm(up.transpose(1, 2).flatten(0, 1), ord="nuc"))
        return torch.stack(norms).mean()

    def adapters(self, prefix: str) -> Iterator[tuple[dict[str, Tensor], Mapping[str, object]]]:
        """Yield the tensors of each member as peft names them, and its adapter_config.json.

        `prefix` is the name of the base in a classifier, such as `model`.
        """
        start = f"base_model.model.{prefix}."
        config = {
            "peft_type": "LORA",
            "task_type": "SEQ_CLS",
            "r": self.rank,
            "lora_alpha": SCALE * self.rank,
            "target_modules": sorted({name.rpartition(".")[2] for name in self.names}),
            "modules_to_save": ["score"],
        }
        for member in range(self.members):
            tensors = {"base_model.model.score.weight": self.heads[member : member + 1]}
            for name, down, up in zip(self.names, self.down, self.up, strict=True):
                tensors[f"{start}{name}.lora_A.weight"] = down[member]
                tensors[f"{start}{name}.lora_B.weight"] = up[member]
            yield {name: each.detach().contiguous() for name, each in tensors.items()}, config


def weights_of(pairs: int, members: int, seed: int, *, bootstrap: bool) -> Tensor:
    """Return how often each member learns from each pair [member, pair]: once, or as often as drawn.

    With `bootstrap` each member has as many pairs as there are, drawn with replacement.
    """
    if not bootstrap:
        return torch.ones(members, pairs)
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(pairs, (members, pairs), generator=generator)
    return torch.zeros(members, pairs).scatter_add_(1, drawn, torch.ones(members, pairs))


def padded(rows: Sequence[Sequence[int]], pad: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return rows of one length [row, token], their mask, and the place of each last token."""
    width = max(map(len, rows))
    ids = torch.tensor([[*row, *[pad] * (width - len(row))] for row in rows])
    ends = torch.tensor([len(row) - 1 for row in rows])
    return ids, (torch.arange(width) <= ends[:, None]).long(), ends
