"""Warnings of merges whose members do not descend from one model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.checkpoints.ancestry import STRANGERS, cosine
from composer.compiler.graph import topological
from composer.compiler.graph.capabilities import checkpoint_of
from composer.diagnostics import Diagnostic
from composer.specs import Declared, Derived

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from composer.compiler.graph import Compiled, Node
    from composer.specs.headers import TensorHeader
    from composer.values.flow import Model

__all__ = ["unrelated"]


def unrelated(compiled: Compiled, root: Node) -> Iterator[Diagnostic]:
    """Yield a warning (W305) for each member that is a stranger to the first one."""
    for node in topological(root):
        if node.is_checkpoint and isinstance(model := checkpoint_of(node), Derived):
            for label, stranger, by in _strangers(model):
                text = (
                    f"`{label}` and `{stranger}` do not descend from one model: the cosine of "
                    f"their weights is {round(by, 2) + 0.0:.2f}"
                )
                help_ = (
                    "merge models that were tuned from one base; fuse others while they write: "
                    "`token_fuse(...)`"
                )
                yield Diagnostic("W305", text, compiled.graph.places.get(node), help=help_)


def _strangers(model: Derived) -> Iterator[tuple[str, str, float]]:
    """Yield which donors have weights that are unlike the first's, and the cosine."""
    if not model.related:
        return
    tensors = [_stored(donor) for donor in model.donors]
    for label, each in zip(model.labels[1:], tensors[1:], strict=True):
        by = cosine(tensors[0], each)
        if by is not None and by < STRANGERS:
            yield model.labels[0], label, by


def _stored(donor: Model) -> Mapping[str, TensorHeader]:
    """Return the weights of a donor in its files; of a derived one, those of its first donor."""
    while isinstance(donor, Derived):
        donor = donor.donors[0]
    return donor.tensors if isinstance(donor, Declared) else {}
