"""Reading a model's folder without loading it: configuration, tokenizer, headers of weights.

`check`, `plan` and `run` all read it here, so that they know the same of a model.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

from composer.checkpoints.config_files import (
    Configuration,
    GenerationConfig,
    TokenizerSettings,
    TokenizerSpelling,
    state,
)
from composer.checkpoints.fingerprint import fingerprint_of
from composer.checkpoints.positions import context_of
from composer.checkpoints.quantize import bytes_in_memory
from composer.checkpoints.quantized import stored_as
from composer.specs.content import Stamps, plain_files, stamps
from composer.specs.experts import active_parameters
from composer.specs.headers import INDEX, SINGLE, tensors_of
from composer.specs.json_files import damaged_file, read_json
from composer.values.capability import Capability
from composer.values.card import Card, lacking
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from composer.checkpoints.token_bytes import TokenizerFile

__all__ = ["LOCAL", "ModelFiles", "card_of", "files_of", "tokenizer_files_of"]

LOCAL = (
    Capability.TEXT
    | Capability.LOGPROBS
    | Capability.LOGITS
    | Capability.SCORE
    | Capability.CONTINUE
    | Capability.HIDDEN
    | Capability.WEIGHTS
    | Capability.CROP
    | Capability.NEXT
)
"""What a causal language model with attention can do when its weights are here."""

RECURRENT = (
    *("rwkv", "mamba", "xlstm", "recurrent_gemma", "jamba", "zamba", "bamba", "falcon_h1"),
    *("nemotron_h", "granitemoehybrid", "lfm2", "qwen3_next", "qwen3_5", "kimi_linear"),
    *("minimax", "olmo_hybrid", "plamo2"),
)
"""Beginnings of the model types that keep a state which cannot be cut back."""

GENERATIVE = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")


@dataclass(frozen=True)
class ModelFiles:
    """What the files of a model's folder say; a class's defaults are no part of it.

    `ends` are the ids that the configurations say end a text, `end` and `begin` the tokens that
    the tokenizer's settings name. `begins` is whether these say that a text begins with the latter.
    `stored` is the type of the numbers of a GGUF file, and how another checkpoint is quantized.
    `writes_apart` is whether an encoder reads the prompt, and a decoder writes the answer.
    """

    folder: Path
    kind: str
    context: int | None
    vocabulary_size: int | None
    vocabulary: str | None
    ends: frozenset[int]
    end: str | None
    begin: str | None
    begins: bool | None
    parameters: int
    active: int | None
    bytes: int
    writes_apart: bool
    stored: str
    capabilities: Capability
    why: Mapping[Capability, str] = field(compare=False)

    @property
    def card(self) -> Card:
        """The card of the model as its weights are stored."""
        absent = "has no tokenizer.json, so its vocabulary cannot be checked before it is loaded"
        return Card(
            self.capabilities,
            why=self.why,
            architecture=self.kind,
            parameters=self.parameters,
            active=self.active,
            bytes=self.bytes,
            context=self.context,
            vocabulary=self.vocabulary,
            vocabulary_size=self.vocabulary_size,
            stored=self.stored,
            deferred=() if self.vocabulary else (absent,),
        )


def card_of(folder: Path, dtype: str = "auto", quantize: str | None = None) -> Card:
    """Read the card of a model folder; a folder that is unchanged is read once.

    Its bytes are those in memory, in a type of numbers, and with `quantize` where that is wanted.
    """
    return replace(files_of(folder).card, bytes=_bytes(folder, stamps(folder), dtype, quantize))


@lru_cache(maxsize=256)
def _bytes(folder: Path, _stamps: Stamps, dtype: str, quantize: str | None) -> int:
    return bytes_in_memory(tensors_of(folder), dtype, quantize, folder)


def files_of(folder: Path) -> ModelFiles:
    """Read what a model's files say; raises ModelError for what cannot be used."""
    return _read(folder, stamps(folder), weighs=True)


def tokenizer_files_of(folder: Path) -> ModelFiles:
    """Read what the files of a tokenizer say; the folder may have no configuration or weights."""
    if not (folder / "tokenizer.json").is_file():
        text = f"`{folder}` has no tokenizer.json"
        raise ModelError("E505", text, "give the folder of a tokenizer that was saved as one file")
    return _read(folder, stamps(folder), weighs=False)


@lru_cache(maxsize=256)
def _read(folder: Path, _stamps: Stamps, *, weighs: bool) -> ModelFiles:
    plain_files(folder)
    has_config = weighs or (folder / "config.json").exists()
    raw = _config(folder) if has_config else {}
    config = state(Configuration, folder / "config.json", raw)
    text = state(Configuration, folder / "config.json", raw | (config.text_config or {}))
    if config.transformers_weights not in (None, SINGLE, INDEX):
        how = f"says that its weights are in {config.transformers_weights!r:.80}"
        raise damaged_file(
            folder / "config.json", how, f"rename that file to {SINGLE}, and remove this entry"
        )
    generation = state(GenerationConfig, folder / "generation_config.json")
    marked = [
        state(TokenizerSettings, folder / name)
        for name in ("tokenizer_config.json", "special_tokens_map.json")
    ]
    kind = config.model_type or ""
    tensors = tensors_of(folder) if weighs else {}
    able, why = _ability(config, kind)
    return ModelFiles(
        folder,
        kind,
        context_of(text, kind, tensors),
        text.vocab_size,
        _vocabulary(folder / "tokenizer.json"),
        frozenset(_ids(config.eos_token_id, text.eos_token_id, generation.eos_token_id)),
        next((each.end for each in marked if each.end), None),
        next((each.begin for each in marked if each.begin), None),
        marked[0].add_bos_token,
        sum(each.count for each in tensors.values()),
        active_parameters(raw | (config.text_config or {}), tensors),
        sum(each.bytes for each in tensors.values()),
        bool(config.is_encoder_decoder),
        stored_as(raw),
        able,
        why,
    )


def _ids(*stated: int | list[int] | None) -> list[int]:
    flat = (i for ids in stated for i in (ids if isinstance(ids, list) else [ids]))
    return [i for i in flat if i is not None and i >= 0]


def _vocabulary(file: Path) -> str | None:
    """Return the fingerprint of a tokenizer.json, None where there is none."""
    if not file.exists() and not file.is_symlink():
        return None
    content = read_json(file)
    state(TokenizerSpelling, file, content)
    return fingerprint_of(cast("TokenizerFile", content))


def _ability(config: Configuration, kind: str) -> tuple[Capability, Mapping[Capability, str]]:
    """What a model can do by its configuration, and why it cannot do the rest."""
    heads = config.architectures or []
    if heads and not any(head.endswith(GENERATIVE) for head in heads):
        only = Capability.WEIGHTS
        return only, lacking(f"{heads[0]} is not a causal language model", has=only)
    if config.is_encoder_decoder:
        only = Capability.WEIGHTS
        return only, lacking("an encoder-decoder model is declared with `seq2seq`", has=only)
    why = dict(lacking("a causal language model does not give it", has=LOCAL))
    if kind.startswith(RECURRENT):
        why[Capability.CROP] = f"{kind} keeps a recurrent state"
    return LOCAL & ~Capability(sum(flag.value for flag in why)), MappingProxyType(why)


def _config(folder: Path) -> dict[str, Any]:
    if not (folder / "config.json").exists():
        advice = "give a folder that `save_pretrained` wrote"
        if (folder / "adapter_config.json").exists():
            advice = 'name its base, and the adapter beside it: `hf("BASE", adapter = "FOLDER")`'
        raise ModelError("E505", f"`{folder}` has no config.json", advice)
    config = read_json(folder / "config.json")
    if "auto_map" in config and not _known(str(config.get("model_type", ""))):
        raise ModelError(
            "E505",
            f"the model in `{folder}` needs its own Python code, and such code is never run",
            "use a model that transformers supports without extra code",
        )
    return config


def _known(kind: str) -> bool:
    """Say whether the installed transformers has code for a model type, without importing it."""
    package = find_spec("transformers")
    if package is None or not package.submodule_search_locations:
        return True
    models = Path(package.submodule_search_locations[0]) / "models"
    return bool(kind) and (models / kind.replace("-", "_")).is_dir()
