"""Stacking: which layer of which donor each layer is, in the weights and in the configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from composer.engine.weights.writing import Construction
from composer.heavy import transformers
from composer.quiet import quiet
from composer.specs.derived import recast
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from torch import Tensor

    from composer.engine.weights.tensors import Tensors
    from composer.specs import Stack

__all__ = ["stacking"]

COUNTS = ("num_hidden_layers", "n_layer", "num_layers", "n_layers")
"""What configurations call the number of layers; some types know it by two names."""

BY_LAYER = ("layer_types", "mlp_layer_types", "no_rope_layers")
"""Lists of configurations that have one value for each layer."""

NUMBERED = ("attention_types", "mlp_only_layers", "full_attn_idxs")
"""What tells in a configuration by numbers, not by a list of all, which layers are others."""


def stacking(model: Stack, donors: Sequence[Tensors]) -> Construction:
    """Return the checkpoint that is a stack of open donors' layers."""
    tensors = [donor.headers for donor in donors]
    origins = model.origins(tensors)
    headers = {name: tensors[donor][old] for name, (donor, old) in origins.items()}

    def make(name: str) -> Tensor:
        donor, old = origins[name]
        return donors[donor].read(old)

    config = _config(model, [donor.folder for donor in donors])
    return Construction(donors[0].folder, recast(headers, model.dtype), make, config)


def _config(model: Stack, folders: Sequence[Path]) -> dict[str, Any]:
    """Return what is other in the configuration: the number of layers, and lists of all layers."""
    configs = [_resolved(folder) for folder in folders]
    first = configs[0]
    counts = [name for name in COUNTS if isinstance(first.get(name), int)]
    numbered = next((n for n in NUMBERED for config in configs if config.get(n)), None)
    if numbered or not counts:
        reason = (
            f"`{numbered}` in its config.json tells by numbers which layers are others"
            if numbered
            else "its config.json does not tell how many layers there are"
        )
        text = f"{model.name}: layers of {model.labels[0]} cannot be stacked: {reason}"
        raise ModelError("E505", text, "stack models whose layers are all alike")
    return {name: len(model.path) for name in counts} | {
        name: [configs[donor][name][layer] for donor, layer in model.path]
        for name in BY_LAYER
        if first.get(name)
    }


@quiet()
def _resolved(folder: Path) -> Mapping[str, Any]:
    """Return a configuration with the defaults of its class, such as the kind of each layer."""
    config = transformers.AutoConfig.from_pretrained(
        folder, local_files_only=True, trust_remote_code=False
    )
    resolved: dict[str, Any] = config.to_dict()
    return resolved
