"""Adapters over one base in memory, beside their merged copies and the base alone.

All answer the same questions, as rows of one batch. The speeds are ratios of one run: the three
take turns, and each has its best of several rounds.
"""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from safetensors.torch import load_file, save_file
from transformers import LlamaConfig

from building_tables._random_checkpoints import random_model
from composer.backends.hf import HF
from composer.engine.engine import Engine
from composer.engine.pool import adapter_bytes, weight_bytes
from composer.specs import Declared
from composer.values import Generate, Query, Sampling

ADAPTERS, RANK, EACH, TOKENS, ROUNDS = 8, 8, 2, 32, 5
LAYERS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
SHAPE = {
    "hidden_size": 512,
    "intermediate_size": 1408,
    "num_hidden_layers": 8,
    "num_attention_heads": 8,
    "num_key_value_heads": 8,
    "max_position_embeddings": 512,
}


def table(data: Path) -> str:
    """Time the answers of adapters, of merged copies and of the base."""
    del data
    torch.set_num_threads(1)
    with TemporaryDirectory() as temporary, ExitStack() as engines:
        kinds = _kinds(Path(temporary))
        opened = {name: engines.enter_context(Engine()) for name in kinds}
        best = dict.fromkeys(kinds, 0.0)
        for _ in range(ROUNDS + 1):  # the first one loads the models
            for name, models in kinds.items():
                best[name] = max(best[name], _speed(opened[name], models))
        parameters = kinds["the base alone"][0].card.parameters or 0
        return _written(kinds, best, parameters)


def _kinds(folder: Path) -> dict[str, list[Declared]]:
    base = random_model(folder / "base", LlamaConfig(vocab_size=384, **SHAPE))
    shared, copies = [], []
    for number in range(ADAPTERS):
        adapter, copy = _adapter(base, folder, number)
        shared.append(Declared(f"A{number}", HF(path=str(base), adapter=str(adapter))))
        copies.append(Declared(f"M{number}", HF(path=str(copy))))
    return {
        "the base alone": [Declared("base", HF(path=str(base)))] * ADAPTERS,
        f"{ADAPTERS} adapters over it": shared,
        f"{ADAPTERS} merged models": copies,
    }


def _adapter(base: Path, folder: Path, number: int) -> tuple[Path, Path]:
    """Write an adapter with random numbers, and the base with it merged."""
    generator = torch.Generator().manual_seed(number)
    weights, tensors = load_file(base / "model.safetensors"), {}
    for name in [name for name in weights if name.removesuffix(".weight").endswith(LAYERS)]:
        outputs, inputs = weights[name].shape
        up = 0.02 * torch.randn(outputs, RANK, generator=generator)
        down = 0.02 * torch.randn(RANK, inputs, generator=generator)
        weights[name] = weights[name] + up @ down
        place = f"base_model.model.{name.removesuffix('.weight')}"
        tensors |= {f"{place}.lora_A.weight": down, f"{place}.lora_B.weight": up}
    adapter, copy = folder / f"adapter{number}", folder / f"merged{number}"
    adapter.mkdir()
    save_file(tensors, adapter / "adapter_model.safetensors")
    config = {"peft_type": "LORA", "r": RANK, "lora_alpha": RANK}
    (adapter / "adapter_config.json").write_text(json.dumps(config))
    copy.mkdir()
    for file in base.iterdir():
        if file.suffix != ".safetensors":
            (copy / file.name).symlink_to(file)
    save_file(weights, copy / "model.safetensors", {"format": "pt"})
    return adapter, copy


def _speed(engine: Engine, models: list[Declared]) -> float:
    """Return the tokens a second of questions to all models, asked at once."""
    how = Sampling(max_tokens=TOKENS)
    jobs = [
        Generate(model, Query.of(f"What is {n} plus {m}?"), how)
        for m, model in enumerate(models)
        for n in range(EACH)
    ]
    begun = time.perf_counter()
    tasks = [engine.task(job, None) for job in jobs]
    engine.begin(tasks)
    tokens = sum(len(task.future.result().tokens) for task in tasks)
    return tokens / (time.perf_counter() - begun)


def _written(kinds: dict[str, list[Declared]], best: dict[str, float], parameters: int) -> str:
    reference = best["the base alone"]
    rows, size = ADAPTERS * EACH, f"{parameters / 1e6:.1f} million parameters"
    lines = [
        f"{rows} rows of {TOKENS} tokens; a Llama of {size}, adapters of rank {RANK}.",
        "",
        "| | weights in memory | tokens a second | speed against the base |",
        "|---|---|---|---|",
    ]
    for name, models in kinds.items():
        bases = {model.weights.shared: weight_bytes(model, "cpu") for model in models}
        held = sum(bases.values()) + sum(adapter_bytes(model, "cpu") for model in models)
        ratio = best[name] / reference
        lines.append(f"| {name} | {held / 2**20:.0f} MiB | {best[name]:.0f} | {ratio:.2f} |")
    return "\n".join(lines)
