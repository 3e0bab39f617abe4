"""Decode passes of the most common architecture, without the Python of transformers' modules.

With one token a row, a CPU computes what lies between two weights in microseconds, but the weights
that stream through its caches drive code and data out, so that each of the fifty calls of a layer
costs a wait for memory. Here a layer takes half of the calls. It is the layer of Llama, Mistral and
Qwen2: RMSNorm, rotary positions, gated MLP. Whether a model has just this is not read from its
name: the trial at load compares the logits with those of the model's own code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.functional import embedding, linear
from torch.nn.functional import scaled_dot_product_attention as attention

from composer.engine.rows.output_layer import head_of, project
from composer.engine.rows.weight_layout import joined

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor, nn

    from composer.engine.rows.kv_cache import KeyValueCache

__all__ = ["DecodePass"]

_ATTENTION = {"q_proj", "k_proj", "v_proj", "o_proj"}
_MLP = {"gate_proj", "up_proj", "down_proj", "act_fn"}
_LAYER = {"self_attn", "mlp", "input_layernorm", "post_attention_layernorm"}
_MODEL = {"embed_tokens", "layers", "norm", "rotary_emb"}


@dataclass(frozen=True, slots=True)
class _Layer:
    """The parts of a layer; weights of products are [inputs, outputs]."""

    before: tuple[Tensor, float]
    queries_keys_values: tuple[Tensor, Tensor | None]
    scaling: float
    output: Tensor
    between: tuple[Tensor, float]
    gate: Tensor
    up: Tensor
    activation: Callable[[Tensor], Tensor]
    down: Tensor


class DecodePass:
    """Reads one token in each of some rows; made by `of`."""

    def __init__(self, module: nn.Module, layers: Sequence[_Layer]) -> None:
        model: Any = module.get_submodule("model")
        self._words: Tensor = model.embed_tokens.weight
        self._positions: nn.Module = model.rotary_emb
        self._norm = _norm_of(model.norm)
        self._head: Any = module.get_submodule("lm_head")
        self._blocks = head_of(module) is not None
        self._layers = layers
        parts = list(module.modules())
        self._hooks: list[dict[int, Any]] = [each._forward_hooks for each in parts]  # noqa: SLF001 - no public way
        self._hooks += [each._forward_pre_hooks for each in parts]  # noqa: SLF001
        attention_ = model.layers[0].self_attn
        self._size = int(attention_.head_dim)
        self._shared = attention_.k_proj.out_features // self._size

    @classmethod
    def of(cls, module: nn.Module) -> DecodePass | None:
        """Return the pass of a model on a CPU in float32; None if its parts are not as here."""
        if not _suits(module):
            return None
        made = [_layer(each) for each in module.get_submodule("model.layers").children()]
        layers = [each for each in made if each is not None]
        return cls(module, layers) if layers and len(layers) == len(made) else None

    @property
    def changed(self) -> bool:
        """Whether something was hooked to a part of the model, which this pass would not call."""
        return any(self._hooks)

    def __call__(
        self, ids: Tensor, positions: Tensor, mask: Tensor | None, cache: KeyValueCache
    ) -> Tensor:
        """Return logits [row, vocabulary] of tokens `ids` [row, 1] at `positions` [row, 1].

        The cache was aimed at their cells; `mask` [row, 1, 1, cell] is added to attention scores.
        """
        hidden = embedding(ids[:, 0], self._words)
        cos, sin = (each[:, 0, None] for each in self._positions(hidden[:, None], positions))
        half = self._size // 2
        sin = torch.cat((-sin[..., :half], sin[..., half:]), -1)
        for number, layer in enumerate(self._layers):
            mixed = _product(_normed(hidden, *layer.before), *layer.queries_keys_values)
            heads = mixed.view(len(hidden), -1, self._size)
            seen = self._attend(heads, (cos, sin), mask, cache, (number, layer.scaling))
            hidden = torch.addmm(hidden, seen, layer.output)
            read = _normed(hidden, *layer.between)
            gated = layer.activation(torch.mm(read, layer.gate)).mul_(torch.mm(read, layer.up))
            hidden = torch.addmm(hidden, gated, layer.down)
        last = _normed(hidden, *self._norm)
        head = self._head
        return project(head, last) if self._blocks else linear(last, head.weight, head.bias)

    def _attend(
        self,
        heads: Tensor,
        rotation: tuple[Tensor, Tensor],
        mask: Tensor | None,
        cache: KeyValueCache,
        where: tuple[int, float],
    ) -> Tensor:
        """Attention [row, outputs] of queries, keys and values [row, head, size] of one layer."""
        cos, sin = rotation
        layer, scaling = where
        turned = heads[:, : -self._shared]
        turned = torch.addcmul(turned * cos, turned.roll(self._size // 2, -1), sin)
        new = turned[:, -self._shared :, None], heads[:, -self._shared :, None]
        keys, values = cache.update(*new, layer)
        queries = turned[:, : -self._shared].view(len(heads), self._shared, -1, self._size)
        return attention(queries, keys, values, mask, scale=scaling).view(len(heads), -1)


def _normed(hidden: Tensor, weight: Tensor, epsilon: float) -> Tensor:
    """RMSNorm of hidden states [row, size]; the factors are made on the host, in fewer calls."""
    size = hidden.shape[1]
    lengths = torch.linalg.vector_norm(hidden, dim=-1).tolist()
    factors = [(length * length / size + epsilon) ** -0.5 for length in lengths]
    scaled = hidden * weight
    return scaled.mul_(factors[0] if len(factors) == 1 else hidden.new_tensor(factors)[:, None])


def _product(read: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return torch.mm(read, weight) if bias is None else torch.addmm(bias, read, weight)


def _suits(module: nn.Module) -> bool:
    """Whether a model has the parts of this architecture, in float32 on a CPU."""
    model: Any = getattr(module, "model", None)
    if _names(module) != {"model", "lm_head"} or _names(model) != _MODEL:
        return False
    parts = [model.embed_tokens, module.get_submodule("lm_head")]
    return type(parts[0]) is torch.nn.Embedding and _plain(parts[1]) and _normal(model.norm)


def _layer(module: Any) -> _Layer | None:  # noqa: ANN401 - of transformers, untyped
    """The parts of a layer; None if it has others."""
    if _names(module) != _LAYER:
        return None
    attn, mlp = module.self_attn, module.mlp
    norms = module.input_layernorm, module.post_attention_layernorm
    if _names(attn) != _ATTENTION or _names(mlp) != _MLP or not all(map(_normal, norms)):
        return None
    three = attn.q_proj, attn.k_proj, attn.v_proj
    alone = attn.o_proj, mlp.gate_proj, mlp.up_proj, mlp.down_proj
    if not all(map(_plain, (*three, *alone))) or any(each.bias is not None for each in alone):
        return None
    biases = [each.bias for each in three if each.bias is not None]
    if len(biases) not in {0, len(three)}:
        return None
    weight = joined([each.weight for each in three]).t()
    return _Layer(
        _norm_of(norms[0]),
        (weight, torch.cat(biases) if biases else None),
        float(attn.scaling),
        attn.o_proj.weight.t(),
        _norm_of(norms[1]),
        mlp.gate_proj.weight.t(),
        mlp.up_proj.weight.t(),
        mlp.act_fn,
        mlp.down_proj.weight.t(),
    )


def _names(module: nn.Module | None) -> set[str]:
    return set() if module is None else {name for name, _ in module.named_children()}


def _plain(layer: object) -> bool:
    """Whether it is a linear layer of float32 on a CPU that nothing was attached to."""
    if type(layer) is not torch.nn.Linear or type(layer.weight) is not torch.nn.Parameter:
        return False
    return layer.weight.dtype == torch.float32 and layer.weight.device.type == "cpu"


def _normal(norm: Any) -> bool:  # noqa: ANN401 - of transformers, untyped
    """Whether it has the parameters of an RMSNorm."""
    names = {name for name, _ in norm.named_parameters()}
    return names == {"weight"} and getattr(norm, "variance_epsilon", 0.0) > 0


def _norm_of(norm: Any) -> tuple[Tensor, float]:  # noqa: ANN401 - of transformers, untyped
    return norm.weight, float(norm.variance_epsilon)
