"""Reading a model's folder without loading it: configuration, tokenizer, headers of weights."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from composer.models.capability import Capability
from composer.models.card import Card, lacking
from composer.models.checkpoint import ModelError
from composer.models.vocabulary import fingerprint_of

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["LOCAL", "card_of"]

LOCAL = (
    Capability.TEXT
    | Capability.LOGPROBS
    | Capability.LOGITS
    | Capability.SCORE
    | Capability.CONTINUE
    | Capability.HIDDEN
    | Capability.WEIGHTS
    | Capability.CROP
)
"""What a causal language model with attention can do when its weights are here."""

RECURRENT = (
    *("rwkv", "mamba", "xlstm", "recurrent_gemma", "jamba", "zamba", "bamba", "falcon_h1"),
    *("nemotron_h", "granitemoehybrid", "lfm2", "qwen3_next", "qwen3_5", "kimi_linear"),
    *("minimax", "olmo_hybrid", "plamo2"),
)
"""Beginnings of the model types that keep a state which cannot be cut back."""

CONTEXT = ("max_position_embeddings", "context_length", "n_positions", "n_ctx", "max_seq_len")
GENERATIVE = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")
SIZES = {"float32": 4, "float16": 2, "bfloat16": 2}
HEADER = 8


def card_of(folder: Path, dtype: str = "auto") -> Card:
    """Read the card of a model folder; a folder that is unchanged is read once."""
    files = sorted((*folder.glob("*.json"), *folder.glob("*.safetensors"), *folder.glob("*.bin")))
    stamps = tuple((file.name, file.stat().st_mtime_ns) for file in files if file.is_file())
    return _sized(_read(folder, stamps), dtype)


@dataclass(frozen=True)
class _Weights:
    parameters: int
    bytes: int


@lru_cache(maxsize=256)
def _read(folder: Path, _stamps: tuple[tuple[str, int], ...]) -> Card:
    config = _config(folder)
    kind = str(config.get("model_type", ""))
    weights = _weights(folder)
    tokenizer = _tokenizer(folder)
    text = config | config.get("text_config", {})
    known: dict[str, Any] = {
        "architecture": kind,
        "parameters": weights.parameters,
        "bytes": weights.bytes,
        "context": next((text[key] for key in CONTEXT if text.get(key)), None),
        "vocabulary_size": text.get("vocab_size"),
        "vocabulary": fingerprint_of(tokenizer) if tokenizer else None,
        "deferred": () if tokenizer else ("its vocabulary, for want of a tokenizer.json",),
    }
    able, why = _ability(config, kind)
    return Card(able, why=why, **known)


def _sized(card: Card, dtype: str) -> Card:
    if dtype not in SIZES or card.parameters is None:
        return card
    return replace(card, bytes=card.parameters * SIZES[dtype])


def _ability(config: dict[str, Any], kind: str) -> tuple[Capability, Mapping[Capability, str]]:
    """What a model can do by its configuration, and why it cannot do the rest."""
    heads = [str(head) for head in config.get("architectures") or ()]
    if heads and not any(head.endswith(GENERATIVE) for head in heads):
        only = Capability.WEIGHTS
        return only, lacking(f"{heads[0]} is not a causal language model", has=only)
    if config.get("is_encoder_decoder"):
        only = Capability.WEIGHTS
        return only, lacking("an encoder-decoder model does not go on from a text", has=only)
    why = dict(lacking("a causal language model does not give it", has=LOCAL))
    if kind.startswith(RECURRENT):
        why[Capability.CROP] = f"{kind} keeps a recurrent state"
    return LOCAL & ~Capability(sum(flag.value for flag in why)), MappingProxyType(why)


def _config(folder: Path) -> dict[str, Any]:
    if not (folder / "config.json").is_file():
        advice = "name a folder that `save_pretrained` wrote"
        if any(folder.glob("*.gguf")):
            advice = "GGUF files are served by llama.cpp's server: use an endpoint"
        raise ModelError("E505", f"`{folder}` has no config.json", advice)
    config = _json(folder / "config.json")
    if "auto_map" in config and not _known(str(config.get("model_type", ""))):
        raise ModelError(
            "E505",
            f"the model in `{folder}` needs Python code of its own, which is never run",
            "use a version of the model that transformers itself supports",
        )
    return config


def _known(kind: str) -> bool:
    """Say whether the installed transformers has code for a model type, without importing it."""
    package = find_spec("transformers")
    if package is None or not package.submodule_search_locations:
        return True
    models = Path(package.submodule_search_locations[0]) / "models"
    return bool(kind) and (models / kind.replace("-", "_")).is_dir()


def _tokenizer(folder: Path) -> dict[str, Any] | None:
    file = folder / "tokenizer.json"
    return _json(file) if file.is_file() else None


def _json(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise ModelError(
            "E505", f"`{file}` cannot be read: {problem}", "download or save the model again"
        ) from problem
    if not isinstance(content, dict):
        raise ModelError("E505", f"`{file}` is not a JSON object", "save the model again")
    return content


def _weights(folder: Path) -> _Weights:
    tensors = [one for file in _shards(folder) for one in _header(file)]
    return _Weights(sum(count for count, _ in tensors), sum(size for _, size in tensors))


def _shards(folder: Path) -> list[Path]:
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        names = sorted(set(_json(index).get("weight_map", {}).values()))
        absent = [name for name in names if not (folder / name).is_file()]
        if absent:
            missing = f"`{folder}` lacks {len(absent)} of {len(names)} weight files: {absent[0]}"
            raise ModelError("E505", missing, "download the model again")
        return [folder / name for name in names]
    found = sorted(folder.glob("model*.safetensors")) or sorted(folder.glob("*.safetensors"))
    if not found:
        raise ModelError("E505", *_no_weights(folder))
    return found


def _no_weights(folder: Path) -> tuple[str, str]:
    pickled = sorted((*folder.glob("*.bin"), *folder.glob("*.pt"), *folder.glob("*.pth")))
    if pickled:
        return (
            f"`{folder}` has only pickled weights ({pickled[0].name}), which can run code",
            "load the model with transformers once and `save_pretrained` it as safetensors",
        )
    return f"`{folder}` has no weights", "put model.safetensors beside config.json"


def _header(file: Path) -> list[tuple[int, int]]:
    """Parameters and bytes of every tensor that a safetensors file holds."""
    try:
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(HEADER), "little")
            header = json.loads(stream.read(min(length, file.stat().st_size)))
        header.pop("__metadata__", None)
        return [
            (math.prod(one["shape"]), one["data_offsets"][1] - one["data_offsets"][0])
            for one in header.values()
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
        raise ModelError(
            "E505", f"`{file}` is not a safetensors file", "download or save the model again"
        ) from problem
