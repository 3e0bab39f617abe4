"""Checkpoints that others quantized: how, and which packages transformers reads them with."""

from __future__ import annotations

import re
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from composer.checkpoints.installed import source_text
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["method_of", "quantized_faults", "stored_as"]

PACKAGES: Mapping[str, tuple[str, ...]] = {
    "aqlm": ("aqlm", "accelerate"),
    "auto-round": ("auto-round",),
    "awq": ("gptqmodel", "accelerate"),
    "bitnet": ("accelerate",),
    "bitsandbytes": ("bitsandbytes", "accelerate"),
    "compressed-tensors": ("compressed-tensors",),
    "eetq": ("kernels", "accelerate"),
    "fbgemm_fp8": ("fbgemm-gpu", "accelerate"),
    "fp8": ("accelerate",),
    "fp_quant": ("fp-quant",),
    "gguf": ("gguf", "accelerate"),
    "gptq": ("optimum", "gptqmodel"),
    "higgs": ("flute", "accelerate"),
    "hqq": ("hqq",),
    "mxfp4": ("accelerate",),
    "mxfp8": ("accelerate",),
    "quanto": ("optimum-quanto", "accelerate"),
    "quark": ("amd-quark",),
    "spqr": ("spqr-quant", "accelerate"),
    "torchao": ("torchao",),
    "vptq": ("vptq", "accelerate"),
}
"""The packages that transformers needs for a method, as they are installed."""

MODULES = {
    "amd-quark": "quark",
    "optimum-quanto": "optimum.quanto",
    "fbgemm-gpu": "fbgemm_gpu",
    "spqr-quant": "spqr_quant",
}
"""Where a package is imported by another name than its own."""

PLAIN = ("F32", "F16", "BF16")
"""The types of a GGUF file that are no quantization."""

EXTRA = ("accelerate", "gguf", "torchao")
"""Those that the extra `quant` brings."""


def method_of(config: Mapping[str, Any]) -> str | None:
    """Return by which method the model of a config.json is quantized; None if it is not."""
    settings = config.get("quantization_config")
    if not isinstance(settings, dict):
        return None
    if settings.get("load_in_4bit") or settings.get("load_in_8bit"):
        return str(settings.get("quant_method", "bitsandbytes"))
    return str(settings.get("quant_method", "in an unknown way"))


def stored_as(config: Mapping[str, Any]) -> str:
    """Say how weights are stored that are quantized; empty if they are not."""
    method = method_of(config)
    if method is None:
        return ""
    if method != "gguf":
        return f"quantized by {method}"
    stored = config["quantization_config"].get("stored", "F32")
    return "" if stored in PLAIN else f"dequantized from {stored}"


def quantized_faults(folder: Path, config: Mapping[str, Any]) -> Iterator[ModelError]:
    """Yield why the installed packages do not read a folder that is quantized."""
    method = method_of(config)
    if method is None:
        return
    text = f"`{folder}` is quantized ({method})"
    if not _known(method):
        unknown = f"{text}, which the installed transformers does not read"
        yield ModelError("E505", unknown, "use a checkpoint that is not quantized")
        return
    absent = [name for name in PACKAGES.get(method, ()) if not _installed(name)]
    if absent:
        noun = "package" if len(absent) == 1 else "packages"
        needs = f"{text}, and needs the {noun} {' and '.join(absent)}"
        help_ = f"`pip install {_named(absent)}`, or use a checkpoint that is not quantized"
        yield ModelError("E510", needs, help_)


def _named(absent: list[str]) -> str:
    """Return what is to be installed: the extra, where it has all that is absent."""
    extra = all(name in EXTRA for name in absent)
    return "'ensemble-composer[quant]'" if extra else " ".join(absent)


def _known(method: str) -> bool:
    """Say whether the installed transformers reads a method, by its own table."""
    if method == "gguf":  # older versions read it without naming it there
        return True
    table = TABLE.search(source_text("quantizers/auto.py"))
    return table is None or f'"{method}' in table.group(1)


TABLE = re.compile(r"^AUTO_QUANTIZER_MAPPING = \{(.*?)^\}", re.MULTILINE | re.DOTALL)


def _installed(package: str) -> bool:
    module = MODULES.get(package, package.replace("-", "_"))
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # of the package around it
        return False
