"""Loading a model of this machine, and the adapters beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from composer.checkpoints.adapters import fitting
from composer.checkpoints.faults import sound
from composer.checkpoints.splits import Split
from composer.engine.weights.building import opened
from composer.engine.weights.encoder_decoder import EncoderDecoderModel
from composer.engine.weights.fetching import fetched
from composer.engine.weights.loaded import LocalModel
from composer.engine.weights.loading import module_of, refused, tokenizer_of
from composer.engine.weights.spreading import spread
from composer.heavy import transformers
from composer.quiet import quiet
from composer.specs.content import OF_ADAPTER
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from composer.specs import Checkpoint

__all__ = ["LocalModel", "attach", "load"]


@quiet()
def load(model: Checkpoint, place: torch.device | str = "cpu") -> LocalModel:
    """Load weights (safetensors only) and tokenizer, by the files that `check` reads.

    `place` is a device, or says which layers go to which (see `Split`). A derived model is built
    first, unless it was built before; a model on a hub is downloaded.
    Raises ModelError (E5xx) for what cannot be loaded.
    """
    weights, split = opened(model), Split.of(str(place))
    device = torch.device(place if split is None else split.first)
    if weights.location.startswith((".", "/", "~")) and not weights.local:
        raise ModelError("E501", f"{model.name}: there is no folder {weights.location}")
    try:
        files = sound(fetched(weights))
        encoder, tokenizer = tokenizer_of(files)
        kind = transformers.AutoModelForSeq2SeqLM if files.writes_apart else None
        module = module_of(files, weights, str(place), kind)
    except ModelError as error:
        text = f"{model.name} cannot be loaded: {error.message}"
        raise ModelError(error.code, text, error.help) from error
    except Exception as error:
        raise refused(model.name, weights, error) from error
    try:
        _put(module, device, split)
    except torch.OutOfMemoryError as error:
        text = f"{model.name} cannot be loaded: {split or device} has no memory left"
        raise ModelError("E601", text, "use a smaller `dtype`, or another device") from error
    module = module.eval().requires_grad_(requires_grad=False)
    made = EncoderDecoderModel if files.writes_apart else LocalModel
    return made(module, tokenizer, device, model.name, files, encoder)


def _put(module: PreTrainedModel, device: torch.device, split: Split | None) -> None:
    """Move a model that was read to its device, or its layers to theirs."""
    if split is not None:
        spread(module, split)
    elif module.device != device:  # some quantized weights are placed as they are read, and stay
        module.to(device)


@quiet()
def attach(model: Checkpoint, base: LocalModel) -> int:
    """Load the adapter of a model beside its base, downloaded if it is on a hub.

    Returns its number there. Raises ModelError (E5xx) for what does not fit or cannot be loaded.
    """
    adapter = model.weights.adapter
    assert adapter is not None
    try:
        folder = fetched(adapter, OF_ADAPTER)
        fitting(folder, fetched(model.weights))
        return base.adapters.add(folder)
    except ModelError as error:
        text = f"the adapter of {model.name} cannot be loaded: {error.message}"
        raise ModelError(error.code, text, error.help) from error
    except Exception as error:
        raise refused(f"the adapter of {model.name}", adapter, error) from error
