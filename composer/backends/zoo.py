"""`zoo(...)`: one of the tiny models that ship with the package."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from composer.checkpoints.adapted import Adapted
from composer.checkpoints.devices import DeviceName
from composer.checkpoints.dtypes import Dtype, long_name
from composer.checkpoints.folder import card_of
from composer.checkpoints.generation_options import checked, processing_of, settings_of
from composer.checkpoints.quantize import Quantize, quantize_faults, quantized_use
from composer.diagnostics import did_you_mean
from composer.specs.content import folder_digest
from composer.specs.declaration import Local, Weights
from composer.values.card import Price
from composer.values.errors import ModelError
from composer.values.processing import LogitBias, MinTokens, RepetitionPenalty, TokenPenalty

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from composer.values.card import Card

__all__ = ["Zoo"]


class Zoo(Adapted, Local):
    """A tiny model of this package, for examples and tests: fast, and right only on small tasks.

    `adapter` is one of the package: `maths-lora` and `text-lora` are of `general-1`. All other
    options are as in `hf`.
    """

    name: ClassVar[str] = "zoo"

    model: str
    dtype: Dtype = "fp32"
    device: DeviceName = "auto"
    quantize: Quantize | None = None
    generation_config: bool | None = None
    repetition_penalty: RepetitionPenalty | None = None
    presence_penalty: TokenPenalty | None = None
    frequency_penalty: TokenPenalty | None = None
    logit_bias: LogitBias | None = None
    min_tokens: MinTokens | None = None
    adapter: str | None = None
    price: Price = None

    @property
    def aliases(self) -> tuple[str, ...]:
        """The name of the model or its adapter in the zoo."""
        return (self.adapter or self.model,)

    @property
    def folder(self) -> Path:
        """Where the model's files lie."""
        from composer import zoo

        if self.model in zoo.rewards():
            help_ = f'declare it with `zoo_reward("{self.model}")`'
            raise ModelError("E501", f"`{self.model}` is a reward model", help_)
        if self.model in zoo.translators():
            help_ = f'declare it with `zoo_seq2seq("{self.model}")`'
            raise ModelError("E501", f"`{self.model}` is an encoder-decoder model", help_)
        try:
            return zoo.folder(self.model)
        except zoo.UnknownModelError:
            help_ = did_you_mean(self.model, zoo.names())
            raise ModelError("E501", f"unknown zoo model `{self.model}`", help_) from None

    @property
    def adapter_folder(self) -> Path | None:
        """Where the adapter's files lie, None for none."""
        from composer import zoo

        if self.adapter is None:
            return None
        if self.adapter not in zoo.adapters():
            help_ = did_you_mean(self.adapter, zoo.adapters())
            raise ModelError("E501", f"unknown adapter `{self.adapter}` of the zoo", help_)
        return zoo.folder(self.adapter)

    @property
    def adapter_weights(self) -> Weights | None:
        """Which adapter, None for none."""
        return (self.adapter and Weights(f"zoo:{self.adapter}", str(self.adapter_folder))) or None

    def card(self) -> Card:
        """Read the card from the model's folder."""
        dtype = long_name(self.dtype)
        card = self.adapted(card_of(self.folder, dtype, self.quantize), dtype, self.model)
        return checked(self, replace(card, price=self.price), self.model)

    def faults(self) -> Sequence[ModelError]:
        """Say why the model cannot be quantized, or the adapter does not fit it."""
        faults = tuple(quantize_faults(self.folder, self.quantize))
        return faults or self.adapter_faults(self.folder)

    def identity(self) -> str:
        """The model's name, and how its weights are used."""
        quantized = quantized_use(self.quantize)
        use = (long_name(self.dtype), self.device, *quantized, *self.adapter_use)
        return "|".join((f"zoo:{self.model}", *use))

    def content(self) -> str:
        """The digest of the model's files, and the dtype."""
        said = processing_of(self).set_options
        done = (f"processing:{sorted(said.items())}",) if said else ()
        held = f"weights:{folder_digest(self.folder)}"
        done = (*done, *quantized_use(self.quantize), *self.adapter_content)
        return "|".join((held, long_name(self.dtype), "auto", *done))

    @property
    def settings(self) -> Mapping[str, object]:
        """What its files say of an answer that it writes alone, if they are to be heeded."""
        return settings_of(self)

    @property
    def weights(self) -> Weights:
        """The model's files, and how they are used."""
        return Weights(
            key=f"zoo:{self.model}",
            location=str(self.folder),
            dtype=long_name(self.dtype),
            device=self.device,
            processing=processing_of(self),
            adapter=self.adapter_weights,
            quantize=self.quantize,
        )
