"""`zoo_seq2seq(...)`: a tiny encoder-decoder model that ships with the package."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from composer import zoo
from composer.backends.seq2seq import Seq2Seq
from composer.checkpoints.devices import DeviceName
from composer.checkpoints.dtypes import Dtype
from composer.diagnostics import did_you_mean
from composer.specs.declaration import Remote
from composer.values.card import Price
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path

    from composer.specs.declaration import Weights
    from composer.values.card import Card
    from composer.values.requests import Client

__all__ = ["ZooSeq2Seq"]


class ZooSeq2Seq(Remote):
    """A tiny encoder-decoder model of this package: `rewriter` rewrites words.

    These are the zoo's skills `plural`, `past`, `reverse` and `letters`. The options are those of
    `seq2seq`.
    """

    name: ClassVar[str] = "zoo_seq2seq"
    has_weights: ClassVar[bool] = True

    model: str
    dtype: Dtype = "fp32"
    device: DeviceName = "auto"
    max_length: int = Field(default=1024, ge=1)
    batch: int = Field(default=16, ge=1)
    price: Price = None

    @property
    def aliases(self) -> tuple[str, ...]:
        """The model's name in the zoo."""
        return (self.model,)

    @property
    def folder(self) -> Path:
        """Where the model's files lie."""
        if self.model not in zoo.translators():
            help_ = did_you_mean(self.model, zoo.translators())
            raise ModelError("E501", f"unknown encoder-decoder model `{self.model}`", help_)
        return zoo.folder(self.model)

    def card(self) -> Card:
        """Read the card from the model's folder."""
        return self._stored.card()

    def identity(self) -> str:
        """The model's name, and how its weights are used."""
        return f"zoo:{self.model}|{self.dtype}|{self.device}|{self.max_length}"

    def content(self) -> str:
        """The digest of the model's files, and how it is read."""
        return self._stored.content()

    @property
    def weights(self) -> Weights:
        """The model's files, and how they are used."""
        return replace(self._stored.weights, key=f"zoo:{self.model}")

    def at(self, folder: Path) -> Seq2Seq:
        """Return an encoder-decoder model of a folder, with the options that are given."""
        return self._stored.at(folder)

    async def open(self, name: str) -> Client:
        """Open a client; the weights are loaded with its first request."""
        return await self._stored.open(name)

    @property
    def _stored(self) -> Seq2Seq:
        given = self.model_dump(exclude={"model"})
        return Seq2Seq(path=str(self.folder), **given)
