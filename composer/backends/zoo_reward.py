"""`zoo_reward(...)`: a tiny reward model that ships with the package."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from composer import zoo
from composer.backends.reward_model import Over, Rewarding, RewardModel
from composer.checkpoints.adapters import CONFIG, adapter_files
from composer.checkpoints.devices import DeviceName
from composer.checkpoints.dtypes import Dtype, long_name
from composer.diagnostics import did_you_mean
from composer.specs.declaration import Weights
from composer.values.card import Price
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ZooReward"]


class ZooReward(Rewarding):
    """A tiny reward model of this package: `steps-reward` knows right steps of short chains.

    `steps-lora-1`, `-2` and `-3` are adapters of it, for ensembles on one base in memory.

    Its questions are those of the zoo's skill `steps`, such as "Start with 7, add 5, times 2.", and
    each line of an answer is a step. It knows whether a step is right where all before it are, so
    that the least reward counts. The options are those of `reward_model`.
    """

    name: ClassVar[str] = "zoo_reward"

    model: str
    dtype: Dtype = "fp32"
    device: DeviceName = "auto"
    steps: Over = "min"
    heads: int = Field(default=1, ge=1)
    batch: int = Field(default=16, ge=1)
    price: Price = None

    @property
    def adapter(self) -> str | None:  # type: ignore[override]  # it is no option
        """The name of a reward model that is an adapter."""
        return None if self.adapter_folder is None else self.model

    @property
    def aliases(self) -> tuple[str, ...]:
        """The model's name in the zoo."""
        return (self.model,)

    @property
    def folder(self) -> Path:
        """Where the model's files lie."""
        own = self._own
        return own if self.adapter_folder is None else zoo.folder(adapter_files(own).base or "")

    @property
    def adapter_folder(self) -> Path | None:
        """The folder of a reward model that is an adapter of a model of the zoo."""
        return self._own if (self._own / CONFIG).is_file() else None

    @property
    def adapter_weights(self) -> Weights | None:
        """The adapter, None for a reward model with weights of its own."""
        folder = self.adapter_folder
        return None if folder is None else Weights(f"zoo:{self.model}", str(folder))

    @property
    def _own(self) -> Path:
        if self.model not in zoo.rewards():
            help_ = did_you_mean(self.model, zoo.rewards())
            raise ModelError("E501", f"unknown reward model `{self.model}` of the zoo", help_)
        return zoo.folder(self.model)

    @property
    def key(self) -> str:
        """The model's name."""
        return self.model

    @property
    def base(self) -> str:
        """The name of the base in the zoo."""
        return self.folder.name

    def at(self, folder: Path) -> RewardModel:
        """A reward model of a folder, with all options as they are here."""
        options = {name: getattr(self, name) for name in type(self).model_fields if name != "model"}
        return RewardModel(path=str(folder), **options)

    @property
    def weights(self) -> Weights:
        """The model's files, and how they are used."""
        return Weights(
            key=f"zoo:{self.folder.name}",
            location=str(self.folder),
            dtype=long_name(self.dtype),
            device=self.device,
            adapter=self.adapter_weights,
        )
