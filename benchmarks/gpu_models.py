"""Random models of the shapes of real ones, made on the device: nothing is downloaded or copied."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import synthetic
import torch

from composer.engine.weights.local import LocalModel

if TYPE_CHECKING:
    from torch import Tensor

SMALL, LARGE = 32_000, 151_936
"""Tokens of the two vocabularies: Llama 2's size, and that of Qwen2.5's output layers."""


@dataclass(frozen=True)
class Shape:
    """The sizes of a Llama: layers, widths, heads of queries and of keys, width of a head."""

    layers: int
    hidden: int
    middle: int
    heads: int
    shared: int
    tied: bool = False


SHAPES = {
    "0.5B": Shape(24, 896, 4864, 14, 2, tied=True),
    "1.5B": Shape(28, 1536, 8960, 12, 2, tied=True),
    "7B": Shape(28, 3584, 18944, 28, 4),
}
"""Those of Qwen2.5, as its cards on Hugging Face state them."""

TINY = {name: Shape(2, 32, 64, 2, 1, each.tied) for name, each in SHAPES.items()}


def made(name: str, shape: Shape, vocabulary: int, other: int, device: torch.device) -> LocalModel:
    """Make a model in bfloat16 on a GPU, in float32 elsewhere. It never ends its answers.

    It says words that a vocabulary of `other` tokens has too, so that no member of a fuse has to
    spell them.
    """
    from transformers import AutoModelForCausalLM, LlamaConfig
    from transformers.initialization import no_init_weights

    words = synthetic.tokenizer(vocabulary, 0)
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=shape.hidden,
        intermediate_size=shape.middle,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.shared,
        max_position_embeddings=4096,
        bos_token_id=None,
        eos_token_id=words.eos_token_id,
        tie_word_embeddings=shape.tied,
    )
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    with no_init_weights(), torch.device(device):
        module = AutoModelForCausalLM.from_config(config, dtype=dtype)
    module = module.eval().requires_grad_(requires_grad=False)
    _fill(module, sum(name.encode()))
    module.lm_head.weight.mul_(_said(vocabulary, other).to(device, dtype)[:, None])
    return LocalModel(module, words, device, name)


def _fill(module: torch.nn.Module, seed: int) -> None:
    """Give all matrices normal numbers of a usual size."""
    torch.manual_seed(seed)
    for weight in module.parameters():
        if weight.ndim > 1:
            weight.normal_(0.0, 0.02)
        else:
            weight.fill_(1.0)


def _said(size: int, other: int) -> Tensor:
    """Return 1 for each token that a model may say [size]: words that both vocabularies have."""
    known, end = synthetic.tokenizer(other, 0).get_vocab(), synthetic.END
    few, said = len(synthetic.SPACE + "ba"), torch.zeros(size)
    for word, number in synthetic.tokenizer(size, 0).get_vocab().items():
        if len(word) > few and word in known and word != end:
            said[number] = 1.0
    return said


def bytes_of_step(model: LocalModel) -> int:
    """Return the bytes of weights that a step of one token reads: an input embedding is one row."""
    head = model.module.get_output_embeddings()
    table = model.module.get_input_embeddings().weight
    whole = sum(each.nbytes for each in model.module.parameters())
    shared = head is not None and head.weight is table
    return whole if shared else whole - int(table.nbytes)
