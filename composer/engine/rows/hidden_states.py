"""Last hidden states beside logits: the output layer's input is appended to its output."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from composer.engine.rows.row import Feed, RowCache
    from composer.engine.weights.local import LocalModel

__all__ = ["logits_and_hidden"]


def logits_and_hidden(
    model: LocalModel, rows: RowCache, feeds: Sequence[Feed]
) -> tuple[Tensor, Tensor]:
    """Read the feeds; return logits [all kept, vocabulary] and last hidden states [all kept, size].

    Hidden states go through the cache with the logits, so that both are in the same order. If a
    model scales its logits, the hidden states are scaled, too. Raises ModelError (E302) for a
    model that does not give hidden states in this way.
    """
    head = model.module.get_output_embeddings()
    if head is None or getattr(model.config, "final_logit_softcapping", None):
        raise _refused(model)
    sizes: set[tuple[int, int]] = set()
    with _joined(head, sizes):
        both = rows.forward(feeds)
    vocabulary, size = sizes.pop() if len(sizes) == 1 else (0, 0)
    if len(both) and both.shape[1] != vocabulary + size:
        raise _refused(model)
    return both[:, :vocabulary], both[:, vocabulary:]


def _refused(model: LocalModel) -> ModelError:
    return ModelError(
        "E302",
        f"{model.name} does not give hidden states",
        "use a gate that reads the distribution: `gate = unsure()`",
    )


@contextmanager
def _joined(head: torch.nn.Module, sizes: set[tuple[int, int]]) -> Iterator[None]:
    """Let an output layer append its input to its output, inside the block; note both widths."""

    def join(_: torch.nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        sizes.add((output.shape[-1], inputs[0].shape[-1]))
        return torch.cat((output, inputs[0].to(output.dtype)), -1)

    handle = head.register_forward_hook(join)
    try:
        yield
    finally:
        handle.remove()
