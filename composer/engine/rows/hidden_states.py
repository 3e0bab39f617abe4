"""Last hidden states beside logits: what the output layer is given goes with what it gives."""

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
    """Feed rows; logits [all kept, vocabulary] and last hidden states [all kept, size].

    Whatever a kind of cache does to logits, to order and to choose rows, it does to both; where a
    model scales its logits, its hidden states come scaled too. Raises ModelError (E302) for a
    model whose output layer does not let them through.
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
    """Let an output layer give its input behind its output, and note how wide the two are."""

    def join(_: torch.nn.Module, given: tuple[Tensor, ...], out: Tensor) -> Tensor:
        sizes.add((out.shape[-1], given[0].shape[-1]))
        return torch.cat((out, given[0].to(out.dtype)), -1)

    handle = head.register_forward_hook(join)
    try:
        yield
    finally:
        handle.remove()
