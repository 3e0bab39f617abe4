"""What the adapter_config.json of peft says, as far as it is used, and what cannot be used."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["AdapterConfig", "unusable"]

OTHERWISE = (
    *("use_dora", "lora_bias", "layer_replication", "target_parameters", "use_qalora"),
    *("trainable_token_indices", "alora_invocation_tokens", "use_bdlora", "arrow_config"),
    *("kasa_config", "monteclora_config", "velora_config"),
)
"""The options of peft with which a layer is not W x + s B A x, or is no layer."""

OTHER_BASE = ("pissa", "olora", "corda", "loftq", "lora_ga", "mica")
"""Beginnings of the ways to initialize an adapter that also change the weights of its base."""

Rank = Annotated[int, Field(ge=1)]


class AdapterConfig(BaseModel):
    """An adapter_config.json; `r` is the rank, `lora_alpha` by what its product is multiplied."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    peft_type: str | None = None
    base_model_name_or_path: str | None = None
    r: Rank = 8
    lora_alpha: float = 8
    use_rslora: bool = False
    fan_in_fan_out: bool = False
    bias: str = "none"
    init_lora_weights: bool | str | None = True
    rank_pattern: dict[str, Rank] = {}
    alpha_pattern: dict[str, float] = {}

    def rank(self, module: str) -> int:
        """Return the rank that is set for a layer."""
        return int(_of(self.rank_pattern, module, self.r))

    def scale(self, module: str) -> float:
        """Return by what B A is multiplied: alpha / r, with rank stabilization alpha / sqrt(r)."""
        alpha, rank = _of(self.alpha_pattern, module, self.lora_alpha), self.rank(module)
        return alpha / (math.sqrt(rank) if self.use_rslora else rank)


def _of(patterns: Mapping[str, float], module: str, default: float) -> float:
    """Return the value of the first pattern that a layer's name ends with, as peft does."""
    for pattern, value in patterns.items():
        if re.match(rf"(.*\.)?({pattern})$", module):
            return value
    return default


def unusable(folder: Path, raw: Mapping[str, Any], config: AdapterConfig) -> Iterator[ModelError]:
    """Yield why an adapter cannot be used here, by its configuration."""
    if config.peft_type != "LORA":
        kind = f"is of the type {config.peft_type}" if config.peft_type else "has no `peft_type`"
        yield _refused(folder, f"{kind}, and only LORA can be used")
    named = [name for name in OTHERWISE if raw.get(name)]
    if named:
        yield _refused(folder, f"uses `{named[0]}` of peft, which is not supported here")
    if config.bias != "none":
        yield _refused(folder, f"changes biases (`bias = {config.bias}`), not only weights")
    initial = config.init_lora_weights
    if isinstance(initial, str) and initial.startswith(OTHER_BASE):
        text = f"`{folder}` begins with `{initial}`, which also changes the weights of its base"
        help_ = (
            "convert it as peft says (`path_initial_model_for_weight_conversion` of "
            "`save_pretrained`), and name the new folder"
        )
        yield ModelError("E515", text, help_)


def _refused(folder: Path, how: str) -> ModelError:
    help_ = (
        "merge it into its base with peft (`merge_and_unload()`), save the whole model, and name "
        "that folder without `adapter`"
    )
    return ModelError("E515", f"`{folder}` {how}", help_)
