"""A declared model with an adapter: what this changes of its card, its key and its content."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from composer.checkpoints.adapters import CONFIG, adapter_files, misfits
from composer.checkpoints.dtypes import SIZES
from composer.checkpoints.location import key_of, locate, names_of
from composer.specs.content import folder_digest
from composer.specs.declaration import Weights

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from composer.values.card import Card
    from composer.values.errors import ModelError

__all__ = ["Adapted"]


class Adapted:
    """A declared model whose option `adapter` names a LoRA adapter: a folder, or an id of a hub.

    Without one, nothing here changes anything.
    """

    if TYPE_CHECKING:  # options of the declaration
        adapter: str | None
        adapter_revision: str | None

    @property
    def adapter_folder(self) -> Path | None:
        """Where the adapter lies on this machine, None for none, or one that is still on a hub."""
        return (self.adapter and locate(self.adapter, self.adapter_revision, CONFIG)) or None

    @property
    def adapter_weights(self) -> Weights | None:
        """Which adapter, None for none."""
        if self.adapter is None:
            return None
        folder = self.adapter_folder
        key = key_of(self.adapter, self.adapter_revision, folder)
        return Weights(key, str(folder or self.adapter), self.adapter_revision)

    def adapted(self, card: Card, dtype: str, base: str) -> Card:
        """Return the card of the base with what the adapter adds, or what is not known of it.

        `base` is the path of the base in the recipe.
        """
        if self.adapter is None:
            return card
        folder = self.adapter_folder
        if folder is None:
            text = f"has an adapter that is not on this machine (`{self.adapter}`)"
            later = f"{text}, so the adapter cannot be checked before it is downloaded"
            return replace(card, deferred=(*card.deferred, later))
        files = adapter_files(folder)
        size = SIZES[dtype] * files.parameters if dtype in SIZES else files.bytes
        return replace(
            card,
            parameters=None if card.parameters is None else card.parameters + files.parameters,
            bytes=None if card.bytes is None else card.bytes + size,
            adapter_bytes=size,
            other_base=files.base if files.base and _last(files.base) != _last(base) else "",
        )

    def adapter_faults(self, base: Path) -> Sequence[ModelError]:
        """Say why the adapter does not fit its base, from the headers of both."""
        folder = self.adapter_folder
        return () if folder is None else tuple(misfits(adapter_files(folder), base))

    @property
    def adapter_use(self) -> tuple[str, ...]:
        """Name the adapter, for an identity."""
        weights = self.adapter_weights
        return () if weights is None else (f"adapter:{weights.key}",)

    @property
    def adapter_content(self) -> tuple[str, ...]:
        """Name the adapter by its content, for a digest."""
        folder = self.adapter_folder
        return self.adapter_use if folder is None else (f"adapter:{folder_digest(folder)}",)


def _last(path: str) -> str:
    """The last part of a path: a base is known by it, wherever a copy of it lies."""
    return names_of(path)[0]
