"""A GGUF file as a folder: what other models have as files is written once into the user's cache.

The folder has a config.json and a tokenizer, made of what the file states, and a link to the file.
So a GGUF file is checked, planned and spoken to like any other model. Only the loader reads its
weights otherwise: transformers computes floating-point numbers of them (`dequantizes`).
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from composer.checkpoints.gguf_tokenizers import family_of, settings_from, tokenizer_from
from composer.checkpoints.installed import heads, source_text
from composer.diagnostics.caches import cache_folder
from composer.specs.content import json_digest, stamp_of
from composer.specs.gguf import GGUF, GGUF_FILE, read_gguf
from composer.specs.json_files import damaged_file
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from composer.specs.gguf import Value

__all__ = ["folder_of", "gguf_faults", "gguf_in", "is_packed", "original_of"]

VERSION = 1
"""Goes up when what is written into the folders changes."""

TOKENIZER = "tokenizer.json"
BESIDE = (TOKENIZER, "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja")
"""The files beside a GGUF file that are used instead of what it states itself."""

TYPES = {"gemma3": "gemma3_text", "gpt-oss": "gpt_oss"}
TYPES |= {"qwen2moe": "qwen2_moe", "qwen3moe": "qwen3_moe"}
"""The model types that GGUF files name otherwise."""

SIZES = {
    "context_length": "max_position_embeddings",
    "block_count": "num_hidden_layers",
    "embedding_length": "hidden_size",
    "feed_forward_length": "intermediate_size",
    "attention.head_count": "num_attention_heads",
    "attention.head_count_kv": "num_key_value_heads",
    "attention.key_length": "head_dim",
    "attention.sliding_window": "sliding_window",
}
"""What config.json calls the sizes that a GGUF file states."""


def gguf_in(folder: Path) -> Path | None:
    """Return the only GGUF file of a folder without other weights, None for any other folder."""
    if (folder / "model.safetensors").exists() or (folder / GGUF_FILE).exists():
        return None
    files = [] if any(folder.glob("*.safetensors")) else sorted(folder.glob("*.gguf"))
    if len(files) > 1:
        text = f"`{folder}` contains {len(files)} GGUF files, such as {files[0].name}"
        raise ModelError("E505", text, f'name one: `hf("{folder}/{files[0].name}")`')
    return files[0] if files else None


def is_packed(folder: Path) -> bool:
    """Say whether a folder stands for a GGUF file."""
    return (folder / GGUF_FILE).exists() and not (folder / "model.safetensors").exists()


def original_of(folder: Path) -> Path:
    """Return the GGUF file for which a folder stands."""
    return (folder / GGUF_FILE).resolve()


def folder_of(file: Path) -> Path:
    """Return the folder that stands for a GGUF file, which is written if it is not there.

    Raises ModelError (E505) for a damaged file, or one whose tokenizer cannot be made.
    """
    beside = tuple(each for name in BESIDE if (each := file.parent / name).is_file())
    stamped = tuple((str(each.resolve()), stamp_of(each)) for each in (file, *beside))
    return _folder(file, beside, stamped)


@lru_cache(maxsize=64)
def _folder(file: Path, beside: tuple[Path, ...], stamped: tuple[object, ...]) -> Path:
    name = json_digest([VERSION, *stamped])[:32]
    try:
        folder = cache_folder() / "gguf" / name
        if not folder.is_dir():
            folder.parent.mkdir(parents=True, exist_ok=True)
            _write(file, beside, folder)
    except OSError as problem:
        text = f"what is read of `{file}` cannot be kept: {problem.strerror or problem}"
        help_ = "let XDG_CACHE_HOME name a folder that can be written"
        raise ModelError("E505", text, help_) from problem
    return folder


def _write(file: Path, beside: tuple[Path, ...], folder: Path) -> None:
    """Write a folder whole, unless another process does at the same time."""
    packed = read_gguf(file)
    contents = {"config.json": _config(file, packed), **_tokenizer(file, packed, beside)}
    with tempfile.TemporaryDirectory(dir=folder.parent) as place:
        part = Path(place) / "folder"
        part.mkdir()
        for name, content in contents.items():
            (part / name).write_text(json.dumps(content), encoding="utf-8")
        for each in beside:
            (part / each.name).symlink_to(each.resolve())
        (part / GGUF_FILE).symlink_to(file.resolve())
        try:
            part.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
            shutil.rmtree(part, ignore_errors=True)


def _config(file: Path, packed: GGUF) -> dict[str, Any]:
    """Return what a config.json would say, as far as it is read before a model is loaded."""
    facts = packed.facts
    if int(cast("int", facts.get("split.count", 0))) > 1:
        text = f"`{file}` is one of {facts['split.count']} files of a model"
        raise ModelError("E505", text, "join them: `llama-gguf-split --merge FIRST WHOLE`")
    named = str(facts.get("general.architecture", ""))
    kind = TYPES.get(named, named)
    sizes = {ours: facts.get(f"{named}.{theirs}") for theirs, ours in SIZES.items()}
    ends = (facts.get(f"tokenizer.ggml.{name}_token_id") for name in ("eos", "eot", "eom"))
    embedding = packed.tensors.get("token_embd.weight")
    return {
        "model_type": kind,
        "architectures": [heads()[kind]] if kind in heads() else [],
        **{name: value for name, value in sizes.items() if isinstance(value, int)},
        "vocab_size": embedding.shape[0] if embedding else len(_list(facts)) or None,
        "eos_token_id": [each for each in ends if isinstance(each, int)],
        "tie_word_embeddings": "output.weight" not in packed.tensors,
        "quantization_config": {"quant_method": "gguf", "stored": packed.kind},
    }


def _list(facts: Mapping[str, Value]) -> list[object]:
    return cast("list[object]", facts.get("tokenizer.ggml.tokens", []))


def _tokenizer(file: Path, packed: GGUF, beside: tuple[Path, ...]) -> dict[str, Any]:
    """Return the contents of a tokenizer's files that do not lie beside the file."""
    names = {each.name for each in beside}
    made: dict[str, Any] = {}
    if "tokenizer_config.json" not in names:
        made["tokenizer_config.json"] = settings_from(packed.facts)
    if TOKENIZER not in names:
        made[TOKENIZER] = _made(file, packed.facts)
    return made


def _made(file: Path, facts: Mapping[str, Value]) -> dict[str, Any]:
    family = family_of(facts)
    if family is None:
        words = [facts.get(f"tokenizer.ggml.{name}") for name in ("model", "pre")]
        named = " / ".join(str(word) for word in words if word) or "none"
        text = (
            f"the tokenizer of `{file}` ({named}) is of a family that was not compared with the "
            "reference, so it might read texts otherwise than the model was trained"
        )
        raise ModelError("E505", text, f"put the {TOKENIZER} of the model beside the file")
    try:
        return tokenizer_from(facts, family)
    except (KeyError, IndexError, TypeError, ValueError) as problem:
        raise damaged_file(file, "describes its tokenizer wrongly") from problem


def gguf_faults(folder: Path) -> Iterator[ModelError]:
    """Yield why the installed transformers would not read the weights of a GGUF file."""
    file = original_of(folder)
    named = str(read_gguf(file).facts.get("general.architecture", ""))
    known = ARCHITECTURES.findall(source_text("integrations/ggml.py"))
    if known and not {named, TYPES.get(named, named)} & {*known}:
        text = f"the installed transformers reads no GGUF files of the architecture `{named}`"
        help_ = "use the model's safetensors, or serve the file with the server of llama.cpp"
        yield ModelError("E505", f"`{file}`: {text}", help_)


ARCHITECTURES = re.compile(r'^    "([\w-]+)": \{$', re.MULTILINE)
"""How the table of transformers begins the entry of an architecture."""
