"""The donors of a derived model: checkpoints that are read tensor by tensor, some with adapters."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import torch

from composer.checkpoints.adapters import HEADS, fitting, stored_name
from composer.engine.weights.fetching import fetched
from composer.engine.weights.tensors import Tensors
from composer.specs.content import OF_ADAPTER, folder_digest
from composer.specs.headers import header_of, read_json
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from composer.checkpoints.adapters import AdapterFiles, LowRank
    from composer.specs import Weights

__all__ = ["Donor"]

EMBEDDING = re.compile(r"(^|\.)(embed_\w+|wte|word_embeddings|embeddings)\.weight$")
"""What the layer that reads tokens is called in classes of transformers."""


@dataclass(frozen=True, slots=True)
class Donor:
    """The folder of a donor, and of the adapter that it has, if it has one."""

    folder: Path
    adapter: Path | None = None

    @classmethod
    def of(cls, weights: Weights) -> Donor:
        """Return where the files of a donor lie, downloaded if they are on a hub."""
        adapter = weights.adapter
        return cls(fetched(weights), None if adapter is None else fetched(adapter, OF_ADAPTER))

    @property
    def folders(self) -> list[Path]:
        """The folders that its files are in."""
        return [self.folder] if self.adapter is None else [self.folder, self.adapter]

    @property
    def digest(self) -> str:
        """The digest of all its files."""
        own = folder_digest(self.folder)
        return own if self.adapter is None else f"{own}+{folder_digest(self.adapter)}"

    def open(self) -> Tensors:
        """Return its tensors, to be opened; raises ModelError (E515) for an unfit adapter."""
        if self.adapter is None:
            return Tensors(self.folder)
        return AdaptedTensors(self.folder, fitting(self.adapter, self.folder))


class AdaptedTensors(Tensors):
    """The tensors of a base with an adapter: W + s B A, made when they are read, in float32."""

    def __init__(self, folder: Path, adapter: AdapterFiles) -> None:
        super().__init__(folder)
        self._adapter = Tensors(adapter.folder, header_of(adapter.file))
        self._turned = adapter.transposed
        self._added = {self._place(adapter, f"{n}.weight"): low for n, low in adapter.added.items()}
        self._whole = {self._place(adapter, name): own for name, own in adapter.whole.items()}

    def __enter__(self) -> Self:
        self._files.enter_context(self._adapter)
        super().__enter__()
        return self

    def read(self, name: str, start: int = 0, stop: int | None = None) -> Tensor:
        """Return a tensor as the adapter changes it, or some of its rows."""
        if name in self._whole:
            return self._adapter.read(self._whole[name], start, stop)
        tensor = super().read(name, start, stop)
        if name not in self._added:
            return tensor
        kind = torch.promote_types(tensor.dtype, torch.float32)
        return tensor.to(kind) + self._product(self._added[name], start, stop).to(kind)

    def _product(self, low: LowRank, start: int, stop: int | None) -> Tensor:
        """Return some rows of what is added to a tensor, as the base stores it."""
        if low.embedding or self._turned:
            rows = self._adapter.read(low.down).double().T[start:stop]
            return low.scale * rows @ self._adapter.read(low.up).double().T
        rows = self._adapter.read(low.up, start, stop).double()
        return low.scale * rows @ self._adapter.read(low.down).double()

    def _place(self, adapter: AdapterFiles, name: str) -> str:
        """Return the base's name of a tensor that the adapter changes."""
        place = stored_name(name, self.headers)
        if place is None or (EMBEDDING.search(name) and self._tied):
            text = (
                f"the adapter `{adapter.folder}` changes `{name}`, and its base has one matrix for "
                "reading and for writing tokens"
            )
            help_ = "use the model with its adapter as it is, or merge it with peft"
            raise ModelError("E515", text, help_)
        return place

    @property
    def _tied(self) -> bool:
        """Whether the output layer has the weights of the embedding."""
        heads = {name.split(".")[-2] for name in self.headers if "." in name} & {*HEADS}
        stated = read_json(self.folder / "config.json").get("tie_word_embeddings")
        return not heads and stated is not False
