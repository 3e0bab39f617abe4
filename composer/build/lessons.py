"""What a student is trained on: texts, or texts with what its teachers say of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from composer.build.losses import lesson_loss
from composer.engine.top_tokens import TopTokens

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor, nn

    from composer.build.students import Exercise
    from composer.methods.teaching.lessons import TeacherDistributions

__all__ = ["Taught", "Texts"]


class Texts:
    """Documents in a student's tokens, whose cross-entropy is the loss."""

    def __init__(self, exercises: Sequence[Exercise]) -> None:
        self._exercises = exercises

    def __len__(self) -> int:
        return len(self._exercises)

    def losses(self, module: nn.Module, documents: Sequence[int], part: float | None) -> Tensor:
        """Return the cross-entropy [place] of some documents."""
        del part
        logits, labels = self.read(module, documents)
        return torch.nn.functional.cross_entropy(logits, labels, reduction="none")

    def read(self, module: nn.Module, documents: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Return logits [place, token] and labels [place] of documents, one after the other."""
        chosen = [self._exercises[n] for n in documents]
        device = next(module.parameters()).device
        ids, mask, rows, places = _padded(chosen)
        labels = torch.tensor([token for each in chosen for token in each.targets])
        read = module(input_ids=ids.to(device), attention_mask=mask.to(device), use_cache=False)
        logits: Tensor = read.logits[rows.to(device), places.to(device)].float()
        return logits, labels.to(device)


class Taught(Texts):
    """Documents in a student's tokens, with what teachers say of them."""

    def __init__(
        self,
        exercises: Sequence[Exercise],
        lesson: TeacherDistributions,
        said_of: Callable[[int], TopTokens],
    ) -> None:
        super().__init__(exercises)
        self._lesson, self._said_of = lesson, said_of

    def losses(self, module: nn.Module, documents: Sequence[int], part: float | None) -> Tensor:
        """Return the loss [place] of some documents, against the texts and the teachers."""
        logits, labels = self.read(module, documents)
        said = TopTokens.join([self._said_of(n) for n in documents]).to(logits.device)
        return lesson_loss(logits, labels, said, self._lesson, part)


def _padded(exercises: Sequence[Exercise]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return ids and mask [document, token], and in which row and place each target is expected."""
    texts = [[*each.prompt, *each.targets[:-1]] for each in exercises]
    width = max(map(len, texts))
    ids = torch.tensor([[*text, *[0] * (width - len(text))] for text in texts])
    mask = torch.tensor([[1] * len(text) + [0] * (width - len(text)) for text in texts])
    places = [
        (row, len(each.prompt) - 1 + n)
        for row, each in enumerate(exercises)
        for n in range(len(each.targets))
    ]
    rows, columns = torch.tensor(places).T
    return ids, mask, rows, columns
