"""Checkpoints of random numbers in bfloat16, as large as is wanted, in files of 1 GB."""

from __future__ import annotations

import json
import math
import os
import shutil
from typing import TYPE_CHECKING

import torch
from safetensors.torch import save_file

from composer import zoo

if TYPE_CHECKING:
    from pathlib import Path

GB = 10**9
WORDS, WIDTH = 128_256, 2048
LAYER = {
    "self_attn.q_proj": (WIDTH, WIDTH),
    "self_attn.k_proj": (WIDTH // 4, WIDTH),
    "self_attn.v_proj": (WIDTH // 4, WIDTH),
    "self_attn.o_proj": (WIDTH, WIDTH),
    "mlp.gate_proj": (4 * WIDTH, WIDTH),
    "mlp.up_proj": (4 * WIDTH, WIDTH),
    "mlp.down_proj": (WIDTH, 4 * WIDTH),
    "input_layernorm": (WIDTH,),
    "post_attention_layernorm": (WIDTH,),
}
"""The tensors of a layer of Llama 3.2 1B, whose embedding is larger than all of them."""

NUMBERS = 1 << 20


def large_checkpoint(folder: Path, size: int, seed: int) -> Path:
    """Write a checkpoint with as many layers as `size` bytes hold, at least one."""
    shapes = _shapes(size)
    generator = torch.Generator().manual_seed(seed)
    numbers = (0.02 * torch.randn(NUMBERS, generator=generator)).to(torch.bfloat16)
    _describe(folder, len(shapes))
    place: dict[str, str] = {}
    for at, part in enumerate(_parts(shapes)):
        file = f"model-{at + 1:05d}.safetensors"
        save_file({name: _drawn(numbers, shapes[name]) for name in part}, folder / file)
        place |= dict.fromkeys(part, file)
    index = json.dumps({"metadata": {}, "weight_map": place})
    (folder / "model.safetensors.index.json").write_text(index, encoding="utf-8")
    return folder


def forget(folder: Path) -> None:
    """Let the system forget what it holds of a folder's files, so that they are read anew."""
    for file in folder.glob("*.safetensors"):
        with file.open("rb") as stream:
            os.fsync(stream.fileno())
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _shapes(size: int) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (WORDS, WIDTH),
        "model.norm.weight": (WIDTH,),
    }
    held, layer = 2 * WORDS * WIDTH, 0
    while held < size or not layer:
        more = {f"model.layers.{layer}.{name}.weight": shape for name, shape in LAYER.items()}
        held += sum(map(_bytes, more.values()))
        shapes |= more
        layer += 1
    return shapes


def _parts(shapes: dict[str, tuple[int, ...]]) -> list[list[str]]:
    parts: list[list[str]] = [[]]
    held = 0
    for name, shape in shapes.items():
        if held and held + _bytes(shape) > GB:
            parts.append([])
            held = 0
        parts[-1].append(name)
        held += _bytes(shape)
    return parts


def _bytes(shape: tuple[int, ...]) -> int:
    return 2 * math.prod(shape)


def _drawn(numbers: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    """Return a tensor of numbers, the same ones again and again."""
    count = math.prod(shape)
    return numbers.repeat(-(-count // len(numbers)))[:count].reshape(shape)


def _describe(folder: Path, tensors: int) -> None:
    """Write all but the weights; the tokenizer is the zoo's."""
    folder.mkdir(parents=True)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(zoo.folder("general-1") / file, folder / file)
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": WIDTH,
        "intermediate_size": 4 * WIDTH,
        "num_hidden_layers": (tensors - 2) // len(LAYER),
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "vocab_size": WORDS,
        "tie_word_embeddings": True,
        "dtype": "bfloat16",
    }
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
