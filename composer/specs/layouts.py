"""How mixtures of experts are stored that dense models of each type can become."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["LAYOUTS", "MLP", "Layout"]

MLP = {"gate": "gate_proj", "up": "up_proj", "down": "down_proj"}
"""What a dense layer calls the tensors of its MLP."""

DENSE = (
    r"model\.embed_tokens\.weight|model\.norm\.weight|lm_head\.weight|model\.layers\.\d+\."
    r"(?:mlp\.(?:gate|up|down)_proj\.weight|(?:input|post_attention)_layernorm\.weight"
    r"|self_attn\.[qkvo]_proj\.weight"
)
NORMS, BIASES = r"|self_attn\.[qk]_norm\.weight", r"|self_attn\.[qkv]_proj\.bias"


class Layout(NamedTuple):
    """A model type with experts: how its checkpoints name its tensors and its settings.

    `known` fits the dense tensors that have a place in it, and `names` are those of an expert's.
    `experts` and `width` are what it calls their number and the size of one. `options` are further
    settings, with which the weights of the experts that are used sum to 1. With `shares` the type
    has an expert for all tokens.
    """

    kind: str
    architecture: str
    known: re.Pattern[str]
    gate: str
    expert: str
    names: Mapping[str, str]
    experts: str
    width: str
    options: Mapping[str, Any]
    shares: bool = False

    def zeros(self, size: int) -> Mapping[str, tuple[int, ...]]:
        """Return the tensors of the expert for all tokens, of width 1, by their shapes."""
        if not self.shares:
            return {}
        mlp, across = "model.layers.{layer}.mlp.", (1, size)
        shapes = {"gate_proj": across, "up_proj": across, "down_proj": (size, 1)}
        named = {f"{mlp}shared_expert.{which}.weight": shape for which, shape in shapes.items()}
        return named | {f"{mlp}shared_expert_gate.weight": across}


def _known(more: str = "") -> re.Pattern[str]:
    return re.compile(f"{DENSE}{more})")


MIXTRAL = Layout(
    "mixtral",
    "MixtralForCausalLM",
    _known(),
    "model.layers.{layer}.block_sparse_moe.gate.weight",
    "model.layers.{layer}.block_sparse_moe.experts.{expert}.{which}.weight",
    {"gate": "w1", "up": "w3", "down": "w2"},
    "num_local_experts",
    "intermediate_size",
    {},
)

QWEN3 = Layout(
    "qwen3_moe",
    "Qwen3MoeForCausalLM",
    _known(NORMS),
    "model.layers.{layer}.mlp.gate.weight",
    "model.layers.{layer}.mlp.experts.{expert}.{which}.weight",
    MLP,
    "num_experts",
    "moe_intermediate_size",
    {"norm_topk_prob": True},
)

QWEN2 = QWEN3._replace(
    kind="qwen2_moe",
    architecture="Qwen2MoeForCausalLM",
    known=_known(BIASES),
    options={"norm_topk_prob": True, "shared_expert_intermediate_size": 1},
    shares=True,
)

LAYOUTS: Mapping[str, Layout] = {
    "llama": MIXTRAL,
    "mistral": MIXTRAL,
    "qwen2": QWEN2,
    "qwen3": QWEN3,
}
"""What dense models of each type become."""
