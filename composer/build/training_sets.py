"""What a student is trained on: texts, or texts with the distributions of its teachers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from composer.build.losses import distillation_loss
from composer.engine.top_tokens import TopTokens

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor, nn

    from composer.build.examples import Example
    from composer.methods.distillation.objectives import TeacherDistributions

__all__ = ["DistillationSet", "TextSet"]


class TextSet:
    """Documents in a student's tokens, whose cross-entropy is the loss."""

    def __init__(self, examples: Sequence[Example]) -> None:
        self._examples = examples

    def __len__(self) -> int:
        return len(self._examples)

    def losses(self, module: nn.Module, documents: Sequence[int], part: float | None) -> Tensor:
        """Return the cross-entropy [place] of some documents."""
        del part
        logits, labels = self.read(module, documents)
        return torch.nn.functional.cross_entropy(logits, labels, reduction="none")

    def read(self, module: nn.Module, documents: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Return logits [place, token] and labels [place] of documents, one after the other."""
        chosen = [self._examples[n] for n in documents]
        device = next(module.parameters()).device
        ids, mask, rows, places = _pad(chosen)
        labels = torch.tensor([token for each in chosen for token in each.targets])
        read = module(input_ids=ids.to(device), attention_mask=mask.to(device), use_cache=False)
        logits: Tensor = read.logits[rows.to(device), places.to(device)].float()
        return logits, labels.to(device)


class DistillationSet(TextSet):
    """Documents in a student's tokens, with the distributions of teachers."""

    def __init__(
        self,
        examples: Sequence[Example],
        objective: TeacherDistributions,
        target_of: Callable[[int], TopTokens],
    ) -> None:
        super().__init__(examples)
        self._objective, self._target_of = objective, target_of

    def losses(self, module: nn.Module, documents: Sequence[int], part: float | None) -> Tensor:
        """Return the loss [place] of some documents, against the texts and the teachers."""
        logits, labels = self.read(module, documents)
        targets = TopTokens.join([self._target_of(n) for n in documents]).to(logits.device)
        return distillation_loss(logits, labels, targets, self._objective, part)


def _pad(examples: Sequence[Example]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return ids and mask [document, token], and in which row and place each target is expected."""
    texts = [[*each.prompt, *each.targets[:-1]] for each in examples]
    width = max(map(len, texts))
    ids = torch.tensor([[*text, *[0] * (width - len(text))] for text in texts])
    mask = torch.tensor([[1] * len(text) + [0] * (width - len(text)) for text in texts])
    places = [
        (row, len(each.prompt) - 1 + n)
        for row, each in enumerate(examples)
        for n in range(len(each.targets))
    ]
    rows, columns = torch.tensor(places).T
    return ids, mask, rows, columns
