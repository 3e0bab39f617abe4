"""What would make a run fail, or answer with other weights than those of a model's folder."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from composer.checkpoints.config_files import SHOWN
from composer.checkpoints.expected import loadable, mismatched, unlike
from composer.checkpoints.fingerprint import readable
from composer.checkpoints.folder import ModelFiles, files_of
from composer.checkpoints.gguf import gguf_faults, is_packed
from composer.checkpoints.installed import mistyped
from composer.checkpoints.quantized import quantized_faults
from composer.specs.content import Stamps, stamps
from composer.specs.headers import INDEX, SINGLE, tensors_of
from composer.specs.json_files import AGAIN, damaged_file, read_json
from composer.values.capability import Capability
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from composer.checkpoints.token_bytes import TokenizerFile
    from composer.specs.headers import TensorHeader

__all__ = ["demand", "faults_of", "sound"]

OTHER_TOKENIZERS = ("*.model", "*.tiktoken", "*.spm", "*.vocab", "vocab.*", "tekken.json")
"""Files of which transformers can make a tokenizer where there is no tokenizer.json."""


WHOLE = ("I8", "U8", "I16", "U16", "I32", "U32", "I64", "U64")
"""Types of numbers that no weight has unless something says how it was made smaller."""


def faults_of(folder: Path) -> tuple[ModelError, ...]:
    """Return what would make a run fail, or answer with other weights than the folder's."""
    return _faults(folder, stamps(folder))


def sound(folder: Path) -> ModelFiles:
    """Read what a model's files say; raises ModelError for what `check` would refuse."""
    demand(faults_of(folder))
    return files_of(folder)


def demand(faults: Iterable[ModelError]) -> None:
    """Raise the first of these faults, if there is one."""
    for fault in faults:
        raise fault


@lru_cache(maxsize=256)
def _faults(folder: Path, _stamps: Stamps) -> tuple[ModelError, ...]:
    files = files_of(folder)
    if Capability.TEXT not in files.capabilities:
        return ()
    raw, stored = read_json(folder / "config.json"), tensors_of(folder)
    faults = [*_unread(files, raw), *quantized_faults(folder, raw), *_unspelt(files)]
    if is_packed(folder):
        return (*faults, *gguf_faults(folder))
    faults += _unnamed(folder, stored)
    if not faults and "quantization_config" not in raw:
        how = unlike(files.kind, raw, stored)
        error = mismatched(folder, *how) if how is not None else None
        faults += [error] if error is not None else _whole(folder, stored)
    return tuple(faults)


def _whole(folder: Path, stored: Mapping[str, TensorHeader]) -> list[ModelError]:
    """Return why weights of whole numbers would be misread: nothing says what they stand for."""
    names = [
        name
        for name, each in stored.items()
        if each.dtype in WHOLE and len(each.shape) > 1 and name.endswith(".weight")
    ]
    if not names:
        return []
    noun = "a weight" if len(names) == 1 else f"{len(names)} weights"
    text = f"`{folder}` contains {noun} of whole numbers, such as {min(names)}, without a scale"
    help_ = (
        "describe the quantization as `quantization_config` in config.json, or save "
        "floating-point numbers"
    )
    return [ModelError("E505", text, help_)]


def _unread(files: ModelFiles, raw: Mapping[str, Any]) -> Iterator[ModelError]:
    """Yield why transformers would not read a folder's model, or would read another one."""
    config = files.folder / "config.json"
    if not files.kind:
        yield ModelError("E505", f"`{config}` has no `model_type`", AGAIN)
    elif not loadable(files.kind):
        text = f"the installed transformers has no causal language model of type `{files.kind}`"
        yield ModelError(
            "E505", f"`{config}`: {text}", "install a version that has it, or correct the type"
        )
    for name in mistyped(files.kind, raw):
        shown = json.dumps(raw[name])[:SHOWN]
        yield damaged_file(config, f"says that `{name}` is {shown}, which is not allowed")
    if (files.folder / "adapter_config.json").exists():
        text = f"`{files.folder}` contains an adapter, not a whole model"
        help_ = 'name its base, and the adapter beside it: `hf("BASE", adapter = "FOLDER")`'
        yield ModelError("E505", text, help_)


def _unnamed(folder: Path, stored: Mapping[str, TensorHeader]) -> Iterator[ModelError]:
    """Yield why the weights would not be found by their names."""
    if (folder / SINGLE).exists():
        return
    if not (folder / INDEX).exists():
        text = f"`{folder}` has no {SINGLE}, only files with other names"
        yield ModelError("E505", text, f"rename the file, or write an index: {INDEX}")
        return
    index = read_json(folder / INDEX)
    if not isinstance(index.get("metadata"), dict):
        yield damaged_file(folder / INDEX, "has no `metadata`, which is needed to load the model")
    absent = sorted(index["weight_map"].keys() - stored.keys())
    if absent:
        text = f"`{folder}`: {INDEX} lists tensors that are in no file: {', '.join(absent[:4])}"
        yield ModelError("E505", text, AGAIN)


def _unspelt(files: ModelFiles) -> Iterator[ModelError]:
    """Yield why texts could not be encoded."""
    file = files.folder / "tokenizer.json"
    if files.vocabulary is not None:
        if not readable(cast("TokenizerFile", read_json(file))):
            yield damaged_file(file, "is not a tokenizer that the library `tokenizers` can read")
    elif not any(any(files.folder.glob(kind)) for kind in OTHER_TOKENIZERS):
        text = f"`{files.folder}` has no tokenizer: there is no tokenizer.json"
        yield ModelError("E505", text, "save the tokenizer of the model beside its weights")
