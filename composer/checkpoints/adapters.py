"""LoRA adapters as peft writes them, read without loading them: which layers, and how they change.

A layer with the weights W becomes W + s B A, with A [rank, inputs] and B [outputs, rank] (LoRA,
arXiv:2106.09685). Other layers, such as a head, may be replaced as a whole.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from composer.checkpoints.adapter_config import AdapterConfig, unusable
from composer.checkpoints.config_files import state
from composer.checkpoints.fingerprint import fingerprint
from composer.specs.content import stamps
from composer.specs.headers import header_of, tensors_of
from composer.specs.json_files import damaged_file, read_json
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from composer.specs.content import Stamps
    from composer.specs.headers import TensorHeader

__all__ = [
    "CONFIG",
    "HEADS",
    "AdapterFiles",
    "LowRank",
    "adapter_files",
    "fitting",
    "misfits",
    "stored_name",
]

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"

HEADS = ("lm_head", "embed_out", "score", "classifier")
"""Layers that an adapter may bring though its base has none of that name."""

NAME = re.compile(
    r"base_model\.model\.(?P<layer>.+?)\."
    r"(?P<what>lora_A|lora_B|lora_embedding_A|lora_embedding_B|base_layer|weight|bias)(\.weight)?"
)


@dataclass(frozen=True, slots=True)
class LowRank:
    """What an adapter adds to a layer: `scale` * B A, with the names of both tensors.

    Of an embedding, A is [rank, tokens] and B [size, rank].
    """

    layer: str
    down: str
    up: str
    rank: int
    inputs: int
    outputs: int
    scale: float
    embedding: bool

    @property
    def shape(self) -> tuple[int, int]:
        """The shape of the weights in the base, as a linear layer or an embedding stores them."""
        sizes = self.outputs, self.inputs
        return sizes[::-1] if self.embedding else sizes


@dataclass(frozen=True)
class AdapterFiles:
    """What the files of an adapter say.

    `added` has the layers to which a product is added, `whole` the names of tensors that are
    replaced, each with its name in the file. `transposed` says that the base stores its weights as
    [inputs, outputs]. `vocabulary` is the fingerprint of a tokenizer beside the adapter, None
    without one.
    """

    folder: Path
    base: str | None
    transposed: bool
    added: Mapping[str, LowRank]
    whole: Mapping[str, str]
    tensors: Mapping[str, TensorHeader] = field(compare=False)
    vocabulary: str | None = None

    @property
    def file(self) -> Path:
        """The file of its weights."""
        return self.folder / WEIGHTS

    @property
    def rank(self) -> int:
        """The highest rank of its layers."""
        return max((each.rank for each in self.added.values()), default=0)

    @property
    def parameters(self) -> int:
        """How many numbers it has."""
        return sum(tensor.count for tensor in self._own)

    @property
    def bytes(self) -> int:
        """The bytes of its numbers as they are stored."""
        return sum(tensor.bytes for tensor in self._own)

    @property
    def _own(self) -> Iterator[TensorHeader]:
        names = [*self.whole.values()]
        names += [name for each in self.added.values() for name in (each.down, each.up)]
        return (self.tensors[name] for name in names)


def adapter_files(folder: Path) -> AdapterFiles:
    """Read the files of an adapter; raises ModelError (E505, E515) for what cannot be used."""
    return _read(folder, stamps(folder))


@lru_cache(maxsize=256)
def _read(folder: Path, _stamps: Stamps) -> AdapterFiles:
    if not (folder / CONFIG).is_file():
        text = f"`{folder}` has no {CONFIG}"
        raise ModelError("E505", text, "give the folder of an adapter that peft saved")
    raw = read_json(folder / CONFIG)
    config = state(AdapterConfig, folder / CONFIG, raw)
    for error in unusable(folder, raw, config):
        raise error
    tensors = header_of(_weights(folder))
    added, whole = _layers(folder, config, tensors)
    beside = (folder / "tokenizer.json").is_file()
    return AdapterFiles(
        folder,
        config.base_model_name_or_path or None,
        config.fan_in_fan_out,
        added,
        whole,
        tensors,
        fingerprint(folder) if beside else None,
    )


def _weights(folder: Path) -> Path:
    """Return the file of the weights; pickled ones are refused."""
    file = folder / WEIGHTS
    if file.exists():
        return file
    pickled = next(iter(sorted(folder.glob("*.bin"))), None)
    if pickled is None:
        raise ModelError("E505", f"`{folder}` has no {WEIGHTS}", "save the adapter again with peft")
    text = f"`{folder}` has only pickled weights ({pickled.name}), which can run code when read"
    raise ModelError("E505", text, "load the adapter with peft once, and save it as safetensors")


def _layers(
    folder: Path, config: AdapterConfig, tensors: Mapping[str, TensorHeader]
) -> tuple[dict[str, LowRank], dict[str, str]]:
    """Sort the tensors of an adapter: those of products by layer, and those that replace others."""
    pairs: dict[str, dict[str, str]] = {}
    whole: dict[str, str] = {}
    for name in tensors:
        match = NAME.fullmatch(name.replace(".modules_to_save.", "."))
        if match is None:
            raise damaged_file(folder / WEIGHTS, f"has a tensor that no LoRA has: {name!r:.80}")
        layer, what = match["layer"], match["what"]
        if what.startswith("lora"):
            pairs.setdefault(layer, {})[what] = name
        elif what != "base_layer":  # that is the embedding of its base, which peft saves beside
            whole[f"{layer}.{what}"] = name
    if not tensors:
        raise damaged_file(folder / WEIGHTS, "has no tensors")
    added = {layer: _pair(folder, config, layer, two, tensors) for layer, two in pairs.items()}
    return added, whole


def _pair(
    folder: Path,
    config: AdapterConfig,
    layer: str,
    names: Mapping[str, str],
    tensors: Mapping[str, TensorHeader],
) -> LowRank:
    """Return what is added to a layer; raises ModelError where its two tensors do not match."""
    embedding = "lora_embedding_A" in names or "lora_embedding_B" in names
    word = "lora_embedding" if embedding else "lora"
    file = folder / WEIGHTS
    for half in (f"{word}_A", f"{word}_B"):
        if half not in names:
            raise damaged_file(file, f"has no {half} for the layer `{layer}`")
    down, up = names[f"{word}_A"], names[f"{word}_B"]
    shapes = tensors[down].shape, tensors[up].shape
    match shapes:
        case (rank, inputs), (outputs, other) if rank == other == config.rank(layer):
            scale = config.scale(layer)
            return LowRank(layer, down, up, rank, inputs, outputs, scale, embedding)
        case _:
            shown = " and ".join(" x ".join(map(str, shape)) for shape in shapes)
            stated = f"{CONFIG} says rank {config.rank(layer)}"
            raise damaged_file(file, f"has tensors of {shown} for `{layer}`, and {stated}")


def fitting(folder: Path, base: Path) -> AdapterFiles:
    """Read the files of an adapter; raises ModelError (E505, E515) if it does not fit its base."""
    files = adapter_files(folder)
    for fault in misfits(files, base):
        raise fault
    return files


def misfits(adapter: AdapterFiles, base: Path) -> Iterator[ModelError]:
    """Yield why an adapter does not fit a base, by the headers of both."""
    known = adapter.vocabulary is not None and (base / "tokenizer.json").is_file()
    if known and adapter.vocabulary != fingerprint(base):
        text = f"the tokenizer in `{adapter.folder}` is another one than that of `{base}`"
        help_ = (
            "merge the adapter into its base with peft, resized to its tokens, and save the whole "
            "model; or remove tokenizer.json from the adapter if it is of no use"
        )
        yield ModelError("E515", text, help_)
    elif "quantization_config" not in read_json(base / "config.json"):
        yield from _unlike(adapter, base, tensors_of(base))


def _unlike(
    adapter: AdapterFiles, base: Path, tensors: Mapping[str, TensorHeader]
) -> Iterator[ModelError]:
    """Yield the first layer that the base lacks, or has in another shape."""
    wanted: dict[str, tuple[int, ...]] = {
        f"{layer}.weight": each.shape for layer, each in adapter.added.items()
    }
    wanted |= {name: adapter.tensors[stored].shape for name, stored in adapter.whole.items()}
    for name, shape in wanted.items():
        there = stored_name(name, tensors)
        if there is None:
            if name.split(".")[-2] not in HEADS:
                yield _misfit(adapter, base, f"it changes `{name}`, which the base does not have")
                return
            continue
        stored = tensors[there].shape
        turned = adapter.transposed and name.removesuffix(".weight") in adapter.added
        if stored != (shape[::-1] if turned else shape):
            sizes = (" x ".join(map(str, each)) for each in (stored, shape))
            how = "`{}` is {} in the base and {} in the adapter".format(name, *sizes)
            yield _misfit(adapter, base, how)
            return


def stored_name(name: str, tensors: Mapping[str, TensorHeader]) -> str | None:
    """Return how a file of the base names a tensor: some leave out, or add, the first word."""
    inner = name.partition(".")[2]
    for candidate in (name, inner):
        if candidate in tensors:
            return candidate
    longer = [stored for stored in tensors if stored.endswith(f".{name}")]
    return longer[0] if len(longer) == 1 else None


def _misfit(adapter: AdapterFiles, base: Path, how: str) -> ModelError:
    text = f"the adapter `{adapter.folder}` does not fit `{base}`: {how}"
    of = f": {adapter.base}" if adapter.base else ""
    return ModelError("E515", text, f"name the base that it was trained on{of}")
