"""Adapters for tests, in the form in which peft saves them, with random numbers."""

import json
import re
import shutil

import torch
from safetensors.torch import load_file, save_file

LAYERS = ("q_proj", "v_proj", "down_proj")
INDEX = "adapter_model.safetensors"


def save_adapter(base, folder, seed=0, size=1.0, layers=LAYERS, rank=4, whole=(), **config):  # noqa: PLR0913
    """Write an adapter of some layers of a base, with some of its layers as a whole."""
    torch.manual_seed(seed)
    config = {"peft_type": "LORA", "r": rank, "lora_alpha": 2 * rank, **config}
    config |= {"base_model_name_or_path": base.name, "task_type": "CAUSAL_LM"}
    config |= {"target_modules": list(layers), "modules_to_save": list(whole) or None}
    tensors = {}
    for name, weight in _layers(base):
        place = f"base_model.model.{name}"
        if name.endswith(tuple(layers)):
            r = next(
                (n for p, n in config.get("rank_pattern", {}).items() if name.endswith(p)), rank
            )
            outputs, inputs = weight.shape
            if name.endswith("embed_tokens"):
                tensors[f"{place}.lora_embedding_A"] = _random(size, r, outputs)
                tensors[f"{place}.lora_embedding_B"] = _random(size, inputs, r)
            else:
                tensors[f"{place}.lora_A.weight"] = _random(size, r, inputs)
                tensors[f"{place}.lora_B.weight"] = _random(size, outputs, r)
        if name.endswith(tuple(whole)):
            tensors[f"{place}.weight"] = _random(size, *weight.shape)
    folder.mkdir()
    save_file(tensors, folder / INDEX, {"format": "pt"})
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder


def _layers(base):
    """Yield the layers of a base with weights of two dimensions; a tied head is one."""
    weights = load_file(base / "model.safetensors")
    if "lm_head.weight" not in weights and "model.embed_tokens.weight" in weights:
        weights["lm_head.weight"] = weights["model.embed_tokens.weight"]
    for name, weight in weights.items():
        if weight.ndim == 2:
            yield name.removesuffix(".weight"), weight


def _random(size, *shape):
    return size * torch.randn(shape) * shape[-1] ** -0.5


def save_merged(base, adapter, folder):
    """Write the base with W + s B A, s = alpha / r, or alpha / sqrt(r) with rank stabilization."""
    config = json.loads((adapter / "adapter_config.json").read_text())
    tensors, weights = load_file(adapter / INDEX), load_file(base / "model.safetensors")
    for name in [name for name in tensors if ".lora_A." in name]:
        down, up = tensors[name].double(), tensors[name.replace("lora_A", "lora_B")].double()
        layer = name.removeprefix("base_model.model.").removesuffix(".lora_A.weight")
        patterns = config.get("alpha_pattern", {}).items()
        alpha = next(
            (n for p, n in patterns if re.fullmatch(f".*{p}", layer)), config["lora_alpha"]
        )
        root = 0.5 if config.get("use_rslora") else 1
        whole = weights[f"{layer}.weight"].double() + alpha / len(down) ** root * up @ down
        weights[f"{layer}.weight"] = whole.float()
    shutil.copytree(base, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return folder
