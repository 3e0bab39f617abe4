"""Random checkpoints of three shapes, in one file or several, in mixed types of numbers."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file, save_file

from composer import zoo
from composer.heavy import transformers
from composer.quiet import quiet

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    from transformers import PreTrainedConfig

WORDS, FILES = 384, 3
TYPES = {
    "float32": (torch.float32, torch.float32),
    "bfloat16": (torch.bfloat16, torch.float32),
    "float16": (torch.float16, torch.float16),
}
"""The types of matrices and of vectors in a checkpoint."""

SHAPES = {
    "llama": lambda: transformers.LlamaConfig(
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        tie_word_embeddings=False,
        vocab_size=WORDS,
    ),
    "gpt2": lambda: transformers.GPT2Config(
        n_embd=32, n_layer=3, n_head=4, vocab_size=WORDS, bos_token_id=0, eos_token_id=1
    ),
    "tied": lambda: transformers.Qwen2Config(
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        tie_word_embeddings=True,
        vocab_size=WORDS,
    ),
}
"""Configurations: with a head of its own, with transposed matrices, with tied embeddings."""


def base(folder: Path, shape: str) -> Path:
    """Write a model of a shape with random weights, and a tokenizer of the zoo."""
    return random_model(folder, SHAPES[shape]())


def random_model(folder: Path, config: PreTrainedConfig) -> Path:
    """Write a model of a configuration with random weights, and a tokenizer of the zoo."""
    torch.manual_seed(0)
    with quiet():
        module = transformers.AutoModelForCausalLM.from_config(config)
        for weight in module.parameters():
            torch.nn.init.normal_(weight, std=0.2)
        module.save_pretrained(folder)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(zoo.folder("general-1") / file, folder / file)
    return folder


def tuned(ancestor: Path, folder: Path, seed: int, dtype: str, *, split: bool) -> Path:
    """Write a copy with other weights, near those of the ancestor."""
    generator = torch.Generator().manual_seed(seed)
    matrix, vector = TYPES[dtype]
    shutil.copytree(ancestor, folder)
    made = {}
    for name, each in load_file(ancestor / "model.safetensors").items():
        change = 0.05 * torch.randn(each.shape, generator=generator)
        made[name] = (each + change).to(matrix if each.ndim > 1 else vector)
    (_split if split else _whole)(folder, made)
    return folder


def _whole(folder: Path, tensors: Mapping[str, torch.Tensor]) -> None:
    save_file(dict(tensors), folder / "model.safetensors", {"format": "pt"})


def _split(folder: Path, tensors: Mapping[str, torch.Tensor]) -> None:
    """Write several files, and the index that says which tensor is in which."""
    (folder / "model.safetensors").unlink()
    place = {}
    for part in range(FILES):
        file = f"model-{part + 1:05}-of-{FILES:05}.safetensors"
        held = {name: each for at, (name, each) in enumerate(tensors.items()) if at % FILES == part}
        save_file(held, folder / file, {"format": "pt"})
        place |= dict.fromkeys(held, file)
    index = json.dumps({"metadata": {}, "weight_map": place})
    (folder / "model.safetensors.index.json").write_text(index, encoding="utf-8")


def numbers(folder: Path) -> dict[str, np.ndarray]:
    """Return all tensors of a checkpoint in float64."""
    files = sorted(folder.glob("*.safetensors"))
    return {name: each.double().numpy() for file in files for name, each in load_file(file).items()}
