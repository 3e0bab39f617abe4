"""Stacking: which layer of which donor each layer is, in the weights and in the configuration."""

from __future__ import annotations

import re
from itertools import accumulate
from operator import mul
from typing import TYPE_CHECKING, Any

from composer.engine.weights.loading import config_of
from composer.engine.weights.writing import Construction
from composer.specs.derived import recast
from composer.specs.headers import read_json
from composer.specs.parts import tensor_places
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from torch import Tensor

    from composer.engine.weights.tensors import Tensors
    from composer.specs import Stack
    from composer.specs.parts import TensorPlace

__all__ = ["construct_stack"]

OUTPUTS = re.compile(r"\.(o_proj|down_proj)\.(weight|bias)$")
"""The matrices that make what a layer adds to its input."""

SCALABLE = ("llama", "mistral", "qwen2", "qwen3")
"""Types whose layers normalize what they read, and nothing of what they add."""

COUNTS = ("num_hidden_layers", "n_layer", "num_layers", "n_layers")
"""What configurations call the number of layers; some types know it by two names."""

BY_LAYER = ("layer_types", "mlp_layer_types", "no_rope_layers")
"""Lists of configurations that have one value for each layer."""

NUMBERED = ("attention_types", "mlp_only_layers", "full_attn_idxs")
"""What tells in a configuration by numbers, not by a list of all, which layers are others."""


def construct_stack(model: Stack, donors: Sequence[Tensors]) -> Construction:
    """Return the checkpoint that is a stack of open donors' layers."""
    tensors = [donor.headers for donor in donors]
    origins = model.origins(tensors)
    headers = {name: tensors[donor][old] for name, (donor, old) in origins.items()}

    divisors = _divisors(model, donors[0].folder, tensor_places(headers))

    def make(name: str) -> Tensor:
        donor, old = origins[name]
        tensor = donors[donor].read(old)
        return tensor / divisors[name] if name in divisors else tensor

    config = _config(model, [donor.folder for donor in donors])
    return Construction(donors[0].folder, recast(headers, model.dtype), make, config)


def _divisors(model: Stack, folder: Path, places: Mapping[str, TensorPlace]) -> dict[str, float]:
    """Return by what the outputs of layers are divided, so that their inputs are as if scaled.

    A layer adds to its input what it makes of the normalized input. So to multiply all inputs up to
    a layer is to divide what that layer adds by the product, up to a factor of the whole, which the
    last norm removes. The small constant that norms add is not scaled.
    """
    if all(scale == 1 for scale in model.scales):
        return {}
    kind = str(read_json(folder / "config.json").get("model_type"))
    if kind not in SCALABLE:
        text = f"{model.name}: the inputs of layers of the type {kind} cannot be scaled"
        listed = ", ".join(SCALABLE)
        raise ModelError("E505", text, f"write `paths(scale = false)`; types: {listed}")
    products = list(accumulate(model.scales, mul))
    return {
        name: products[place.layer]
        for name, place in places.items()
        if place.layer is not None and OUTPUTS.search(name)
    }


def _config(model: Stack, folders: Sequence[Path]) -> dict[str, Any]:
    """Return what is other in the configuration: the number of layers, and lists of all layers."""
    configs = [config_of(folder).to_dict() for folder in folders]
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
