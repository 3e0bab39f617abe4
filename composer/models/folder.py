"""Reading a model's folder without loading it: configuration, tokenizer, headers of weights."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

from composer.models.vocabulary import fingerprint_of
from composer.ports.capability import Capability
from composer.ports.card import Card, lacking
from composer.ports.errors import ModelError
from composer.specs.headers import json_of, size_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from composer.models.spelling import TokenizerFile

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

UNBOUNDED = ("rwkv", "mamba")
CONTEXT = ("max_position_embeddings", "context_length", "n_positions", "n_ctx", "max_seq_len")
GENERATIVE = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")
SIZES = {"float32": 4, "float16": 2, "bfloat16": 2}


def card_of(folder: Path, dtype: str = "auto") -> Card:
    """Read the card of a model folder; a folder that is unchanged is read once."""
    files = sorted((*folder.glob("*.json"), *folder.glob("*.safetensors"), *folder.glob("*.bin")))
    stamps = tuple((file.name, file.stat().st_mtime_ns) for file in files if file.is_file())
    return _sized(_read(folder, stamps), dtype)


@lru_cache(maxsize=256)
def _read(folder: Path, _stamps: tuple[tuple[str, int], ...]) -> Card:
    config = _config(folder)
    kind = str(config.get("model_type", ""))
    parameters, size = size_of(folder)
    tokenizer = _tokenizer(folder)
    text = config | config.get("text_config", {})
    known: dict[str, Any] = {
        "architecture": kind,
        "parameters": parameters,
        "bytes": size,
        "context": None if kind.startswith(UNBOUNDED) else _context(text),
        "vocabulary_size": text.get("vocab_size"),
        "vocabulary": fingerprint_of(tokenizer) if tokenizer else None,
        "deferred": () if tokenizer else ("its vocabulary, for want of a tokenizer.json",),
    }
    able, why = _ability(config, kind)
    return Card(able, why=why, **known)


def _context(text: Mapping[str, Any]) -> int | None:
    return next((int(text[key]) for key in CONTEXT if text.get(key)), None)


def _sized(card: Card, dtype: str) -> Card:
    if dtype not in SIZES or card.parameters is None:
        return card
    return replace(card, bytes=card.parameters * SIZES[dtype])


def _ability(config: Mapping[str, Any], kind: str) -> tuple[Capability, Mapping[Capability, str]]:
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
    config = json_of(folder / "config.json")
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


def _tokenizer(folder: Path) -> TokenizerFile | None:
    file = folder / "tokenizer.json"
    return cast("TokenizerFile", json_of(file)) if file.is_file() else None
