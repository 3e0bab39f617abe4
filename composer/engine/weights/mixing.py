"""Mixtures of experts: what each tensor is made of, and running the base to make the gates."""

from __future__ import annotations

import json
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch

from composer.checkpoints.faults import sound
from composer.checkpoints.prompts import stated_facts
from composer.engine.weights.loading import config_of, module_of, tokenizer_of
from composer.engine.weights.tokens import TokenModel
from composer.engine.weights.writing import Construction
from composer.heavy import transformers
from composer.quiet import quiet
from composer.specs import SpecError, Weights
from composer.specs.layouts import LAYOUTS
from composer.specs.parts import tensor_places

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import Tensor, nn

    from composer.engine.weights.tensors import Tensors
    from composer.specs import Mixture
    from composer.specs.layouts import Layout
    from composer.specs.mixtures import Piece

__all__ = ["construct_mixture"]


def construct_mixture(model: Mixture, donors: Sequence[Tensors]) -> Construction:
    """Return the checkpoint that a mixture of open donors is."""
    problems = list(model.misfits([donor.folder for donor in donors]))
    if problems:
        raise SpecError(problems)
    folder = donors[0].folder
    resolved = config_of(folder).to_dict()
    layout = LAYOUTS[str(resolved["model_type"])]
    pieces = model.pieces_of(layout, donors[0].headers)
    gates = model.gate.rows(_Base(model, donors[0]), len(model.experts))

    def make(name: str) -> Tensor:
        return _made(pieces[name], gates, donors)

    headers = {name: piece.header for name, piece in pieces.items()}
    return Construction(folder, headers, make, _config(model, layout, resolved), whole=True)


def _made(piece: Piece, gates: Tensor, donors: Sequence[Tensors]) -> Tensor:
    if piece.layer is not None:
        return gates[piece.layer]
    if not piece.donors:
        return torch.zeros(piece.header.shape)
    first, *others = (donors[place].read(piece.name) for place in piece.donors)
    if not others:
        return first
    total = first.to(torch.promote_types(first.dtype, torch.float32))
    for each in others:
        total += each
    return total / len(piece.donors)


@quiet()
def _config(model: Mixture, layout: Layout, base: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration of the mixture: what its class has of the base's, and the experts.

    Defaults are written out where those of the two classes differ.
    """
    kind = transformers.CONFIG_MAPPING[layout.kind]
    own = {"model_type", "architectures", "transformers_version"}
    known = {*kind().to_dict(), "head_dim"} - own  # some classes read it without declaring it
    stated = {
        **{name: value for name, value in base.items() if name in known},
        **layout.options,
        layout.experts: len(model.experts),
        layout.width: base["intermediate_size"],
        "num_experts_per_tok": model.top,
        "architectures": [layout.architecture],
    }
    config: dict[str, Any] = json.loads(kind(**stated).to_json_string(use_diff=False))
    return config


class _Base:
    """The base model, as gates are made of it; it is loaded when it is to run."""

    def __init__(self, model: Mixture, tensors: Tensors) -> None:
        self._model, self._tensors = model, tensors
        self._files = sound(tensors.folder)
        self.layers = max(place.layers for place in tensor_places(tensors.headers).values())
        self.size = tensors.headers[EMBEDDINGS].shape[1]

    @cached_property
    def _tokens(self) -> TokenModel:
        encoder, tokenizer = tokenizer_of(self._files)
        return TokenModel(tokenizer, encoder, self._model.name, stated_facts(self._files, encoder))

    @cached_property
    def _module(self) -> nn.Module:
        where = torch.device("cpu" if self._model.device == "auto" else self._model.device)
        weights = Weights("", str(self._tensors.folder))
        module: nn.Module = module_of(self._files, weights, str(where))
        return module.to(where).eval()

    def embedded(self, prompts: Sequence[str]) -> Tensor:
        """Return the mean embedding of all tokens of prompts [size]."""
        ids = [token for prompt in prompts for token in self._read(prompt)]
        table = self._tensors.read(EMBEDDINGS)
        return table[torch.tensor(ids)].float().mean(0)

    @torch.inference_mode()
    def hidden(self, prompts: Sequence[str]) -> Tensor:
        """Return the mean input of the MLP of each layer over all tokens of prompts."""
        sums = torch.zeros(self.layers, self.size, dtype=torch.float64)
        read = [self._read(prompt) for prompt in prompts]
        blocks = self._module.get_submodule("model.layers")
        hooks = [
            block.get_submodule("mlp").register_forward_pre_hook(_adding(sums[layer]))
            for layer, block in enumerate(blocks.children())
        ]
        try:
            with quiet():
                for ids in read:
                    self._module(torch.tensor([ids], device=self._device), use_cache=False)
        finally:
            for hook in hooks:
                hook.remove()
        return (sums / sum(map(len, read))).float()

    @property
    def _device(self) -> torch.device:
        return next(self._module.parameters()).device

    def _read(self, prompt: str) -> list[int]:
        """Return the tokens of a prompt as the base reads it."""
        return self._tokens.render((("user", prompt),), self._model.weights.chat)


EMBEDDINGS = "model.embed_tokens.weight"


def _adding(total: Tensor) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
    """Return a hook that adds up the inputs of a module [1, token, size]."""

    def add(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        del module
        total.add_(inputs[0][0].double().sum(0).cpu())

    return add
