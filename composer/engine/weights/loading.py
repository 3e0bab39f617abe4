"""Reading a model's weights and tokenizer by transformers; nothing of a checkpoint is executed."""

from __future__ import annotations

import os
import threading
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch
from tokenizers import Tokenizer

from composer.checkpoints.expected import loaded_otherwise
from composer.checkpoints.faults import demand
from composer.checkpoints.fingerprint import spelt
from composer.checkpoints.gguf import is_packed
from composer.checkpoints.quantize import quantize_faults
from composer.checkpoints.quantized import method_of
from composer.checkpoints.splits import Split
from composer.engine.weights.precision import usual_dtype
from composer.engine.weights.quantizing import capable, quantized
from composer.heavy import transformers
from composer.quiet import attend, quiet
from composer.specs.gguf import GGUF_FILE
from composer.specs.json_files import damaged_file, read_json
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable

    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

    from composer.checkpoints.folder import ModelFiles
    from composer.specs import Weights

__all__ = ["ModelClass", "config_of", "module_of", "refused", "tokenizer_of"]

_LOADING = threading.Lock()
"""One model is loaded at a time, in whichever ensemble: transformers changes functions of torch
meanwhile, for the whole process, so that a second model would lack tensors."""


class ModelClass(Protocol):
    """A class of transformers, or one that finds it by the configuration."""

    @property
    def from_pretrained(self) -> Callable[..., Any]:
        """Load a folder."""


_DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


def module_of(
    files: ModelFiles, weights: Weights, place: str, kind: ModelClass | None = None
) -> PreTrainedModel:
    """Load the weights, safetensors only; raises ModelError if some are not in the files.

    `place` is a device, or says which layers go to which; only what is quantized is put there.
    `kind` is the class to load them into, that of causal language models by default.
    """
    module: PreTrainedModel
    method, split = _quantization(weights), Split.of(place)
    device = torch.device(place if split is None else split.first)
    stored = method is not None and method != "gguf"  # which is dequantized
    dtype, quantize = _dtype(weights.dtype, device, stored=stored), weights.quantize
    if quantize is not None:
        demand(quantize_faults(files.folder, quantize))
        dtype = _to_quantize(quantize, device, dtype)
    packed = is_packed(files.folder)
    # stored numbers become float32 layer by layer, so that the whole model never is
    by_layer = quantize is not None and dtype == torch.float32 and not packed
    with _LOADING:
        module, info = (kind or transformers.AutoModelForCausalLM).from_pretrained(
            str(files.folder),
            local_files_only=True,
            dtype="auto" if by_layer else dtype,
            use_safetensors=not packed,
            trust_remote_code=False,
            generation_config=transformers.GenerationConfig(),  # the file is read by us
            output_loading_info=True,
            ignore_mismatched_sizes=True,
            **(_dequantizing() if packed else {}),
        )
    error = loaded_otherwise(
        files.folder, type(module).__name__, info, quantized=method is not None
    )
    if error is not None:
        raise error
    if quantize is not None:
        as_ = module.dtype if isinstance(dtype, str) else dtype
        module = quantized(module, files.folder, quantize, as_, place)
    if method is None:
        _own(module)
    return module


def _dequantizing() -> dict[str, Any]:
    """Return the options with which transformers makes floating-point numbers of a GGUF file."""
    import_module("transformers.modeling_gguf_pytorch_utils")
    attend()
    options: dict[str, Any] = {"gguf_file": GGUF_FILE}
    if hasattr(transformers, "GgufConfig"):  # newer versions may keep the stored blocks
        options["quantization_config"] = transformers.GgufConfig(dequantize=True)
    return options


def _to_quantize(
    quantize: str, device: torch.device, dtype: torch.dtype | str
) -> torch.dtype | str:
    """Return in what numbers layers are read that are quantized then; raises ModelError."""
    capable(quantize, device, dtype)
    return torch.bfloat16 if quantize == "int4" and device.type == "cuda" else dtype


@quiet()
def config_of(folder: Path | str) -> PreTrainedConfig:
    """Return the configuration of a folder with the defaults of its class."""
    config: PreTrainedConfig = transformers.AutoConfig.from_pretrained(
        str(folder), local_files_only=True, trust_remote_code=False
    )
    return config


def _own(module: PreTrainedModel) -> None:
    """Copy tensors out of the file that is mapped into memory, since the file may change."""
    for tensor in (*module.parameters(), *module.buffers()):
        if type(tensor) not in (torch.Tensor, torch.nn.Parameter):
            continue  # it was made here, of what the file holds
        # an inference tensor is copied in inference mode, a normal one outside of it
        with torch.inference_mode(mode=tensor.is_inference()):
            tensor.data = tensor.data.clone()


def tokenizer_of(files: ModelFiles) -> tuple[Tokenizer, PreTrainedTokenizerFast]:
    """Return the tokenizer of tokenizer.json, and transformers' one, which renders chats.

    Texts are encoded as tokenizer.json says, even if the model's class in transformers changes it.
    Only a model without that file is read by its class.
    """
    folder, file = str(files.folder), files.folder / "tokenizer.json"
    if files.vocabulary is None:
        by_class = transformers.AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
        backend = getattr(by_class, "backend_tokenizer", None)
        if backend is None:
            raise ModelError("E505", "it has no fast tokenizer", "save it as tokenizer.json")
        return Tokenizer.from_str(backend.to_str()), by_class
    encoder = spelt(file.read_text(encoding="utf-8"))
    if encoder is None:
        raise damaged_file(file, "is not a tokenizer that the library `tokenizers` can read")
    try:
        chats = transformers.PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
    except Exception as error:
        text = (
            f"transformers cannot read the tokenizer settings beside `{file}` "
            f"({type(error).__name__})"
        )
        help_ = "save the tokenizer again: tokenizer_config.json, special_tokens_map.json"
        raise ModelError("E505", text, help_) from error
    return encoder, chats


def refused(name: str, weights: Weights, error: Exception) -> ModelError:
    """Return why a checkpoint cannot be loaded; for a quantized one, what is needed."""
    first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if not weights.local:
        return _not_fetched(name, weights, error)
    kind = _quantization(weights)
    if kind is None:
        text = f"{name} cannot be loaded: transformers raises {type(error).__name__}: {first}"
        help_ = (
            "compare config.json with that of another model of this type, or save the model again"
        )
        return ModelError("E505", text, help_)
    return ModelError(
        "E505",
        f"{name} is quantized ({kind}) and cannot be loaded here: {first}",
        f"install the package that reads {kind}, or use a checkpoint that is not quantized",
    )


ABSENT = {
    "GatedRepoError": (
        "its owner must first let you use it",
        "accept the terms on its page of the hub, then log in: `hf auth login`",
    ),
    "RepositoryNotFoundError": (
        "the hub has no such model, or it is private",
        "check the name, or log in: `hf auth login`",
    ),
    "RevisionNotFoundError": ("it has no such revision", "leave out `revision`, or check it"),
}
"""Why a hub gives no model, by the exception that its library raises, and what to do."""

UNREACHABLE = {"LocalEntryNotFoundError", "OfflineModeIsEnabled", "ConnectError", "ConnectionError"}


def _not_fetched(name: str, weights: Weights, error: BaseException) -> ModelError:
    """Return why a model of a hub is not on this machine."""
    kinds = _kinds(error)
    subject = f"{name} (`{weights.location}`) is not on this machine"
    for kind, (why, help_) in ABSENT.items():
        if kind in kinds:
            return ModelError("E505", f"{subject}, and {why}", help_)
    if kinds & UNREACHABLE:
        offline = os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}
        why = "HF_HUB_OFFLINE is set" if offline else "the hub cannot be reached"
        remedy = "unset HF_HUB_OFFLINE" if offline else "check the connection"
        help_ = (
            f"{remedy}; or download it elsewhere (`hf download {weights.location} --local-dir "
            f'FOLDER`), copy the folder here and write `hf("FOLDER")`'
        )
        return ModelError("E505", f"{subject}, and {why}", help_)
    first = str(error).strip().splitlines()[:1] or [type(error).__name__]
    help_ = f"try to download it alone: `hf download {weights.location}`"
    return ModelError("E505", f"{subject}, and cannot be downloaded: {first[0]}", help_)


def _kinds(error: BaseException | None) -> set[str]:
    """Return the names of the classes of an exception, and of those that led to it."""
    names: set[str] = set()
    while error is not None:
        names.update(kind.__name__ for kind in type(error).__mro__)
        error = error.__cause__ or error.__context__
    return names


def _quantization(weights: Weights) -> str | None:
    """The method by which a checkpoint in a folder is quantized; None if it is not."""
    path = Path(weights.location) / "config.json"
    if not path.is_file():
        return None
    return method_of(read_json(path))


def _dtype(wish: str, device: torch.device, *, stored: bool) -> torch.dtype | str:
    """The number type to load; kernels of a checkpoint that is `stored` quantized choose theirs."""
    if wish == "auto" and not (stored and device.type != "cpu"):
        wish = usual_dtype(str(device))
    return _DTYPES.get(wish, wish)
