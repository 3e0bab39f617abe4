"""A small copy of a model, with attention windows so narrow that short texts are longer.

How far a model attends back is set under many names, in the configuration, in layers or in a table
that a layer computes. So names are ignored: each number of the configuration is lowered, if the
weights still fit and the model still runs.
"""

from __future__ import annotations

import copy
from threading import Lock
from typing import TYPE_CHECKING

import torch

from composer.engine.rows.small_config import Knob, depth_of, knobs, lower, shorten
from composer.heavy import transformers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor, nn
    from transformers import PreTrainedConfig, PreTrainedModel

    from composer.engine.weights.local import LocalModel

__all__ = ["narrowed", "plain_text"]

_NARROW, _STEP = 8, 4  # the narrowest window, and how much wider the next one is
_BEYOND = 9  # by how many tokens the longest text is longer than the widest window
_WORDS = 128  # tokens in the copy's vocabulary
_FLOATS = 1 << 29  # weights up to which the copy computes in float32, which shows small errors
_BUILDING = Lock()  # transformers' switch that leaves weights out is one for all threads


def narrowed(model: LocalModel) -> tuple[LocalModel, Sequence[int]]:
    """Return a copy of a few of the model's layers, with its own weights and narrow windows.

    Also returns lengths of texts: longer than all windows, than some, and than none. Raises what
    the model raises if it cannot be copied.
    """
    copies = _Copies(model)
    low: dict[Knob, int] = {}
    for knob, value in _values(knobs(model.config, _NARROW, model.context)).items():
        if copies.reads({**low, knob: value}):
            low[knob] = value
    long = _beyond(low)
    return copies.make(low), (long, 2 * long // 3, _NARROW - 1)


def plain_text(model: LocalModel, length: int, start: int = 3) -> list[int]:
    """Return ordinary tokens: none that ends, begins or pads a text."""
    config = model.config.to_dict().items()
    special = {n for key, n in config if key.endswith("token_id") and type(n) is int} | model.ends
    ids = [(7 * n + start) % model.width for n in range(length)]
    return [next((i for i in range(n, model.width) if i not in special), n) for n in ids]


class _Copies:
    """Makes copies of one model, as small as the model allows."""

    def __init__(self, model: LocalModel) -> None:
        self._model = model
        self._weights = dict(model.module.named_parameters(remove_duplicate=False))
        self._stored = model.module.state_dict(keep_vars=True)
        self._shapes: dict[str, torch.Size] = {}
        self._small = True
        try:
            self._read(self.make({}), _NARROW)
        except Exception:  # noqa: BLE001  # not every model can be cut short
            self._small = False
            self._shapes.clear()
            self._read(self.make({}), _NARROW)

    def make(self, values: Mapping[Knob, int]) -> LocalModel:
        """Return a copy with some numbers of its configuration lowered."""
        config = copy.deepcopy(self._model.module.config)
        text = config.get_text_config()
        if self._small:
            shorten(text, depth_of(self._model.module, text), _WORDS)
        for knob, value in values.items():
            lower(text, knob, value)
        small = copy.copy(self._model)
        small.module = self._dressed(_bare(type(self._model.module), config))
        small.config = small.module.config.get_text_config()
        small.rows = int(small.config.vocab_size)
        for name in ("width", "dtype"):
            small.__dict__.pop(name, None)
        return small

    def reads(self, values: Mapping[Knob, int]) -> bool:
        """Whether a copy with lowered numbers runs on a text that is longer than these numbers.

        Sizes that do not fit together fail, and so does a limit of the text's length. Whether the
        logits change does not matter: a copy is compared with itself, and some windows work by our
        own masks, which are made by the configuration.
        """
        try:
            return bool(self._read(self.make(values), _beyond(values)).isfinite().all())
        except Exception:  # noqa: BLE001  # sizes that do not go together fail in many ways
            return False

    @torch.inference_mode()
    def _read(self, model: LocalModel, length: int) -> Tensor:
        ids = torch.tensor([plain_text(model, length)], device=model.device)
        logits: Tensor = model.module(ids, use_cache=False).logits
        return logits

    def _dressed(self, module: PreTrainedModel) -> PreTrainedModel:
        """Give a bare copy the model's own weights, without the tokens that it lacks."""
        originals = dict(self._model.module.named_modules(remove_duplicate=False))
        for name, part in list(module.named_modules(remove_duplicate=False)):
            if type(part) is not type(originals[name]) and not any(part.children()):  # quantized
                module.set_submodule(name, originals[name])
        for name, weight in list(module.named_parameters(remove_duplicate=False)):
            if weight is not self._weights.get(name):
                if self._shapes.setdefault(name, weight.shape) != weight.shape:
                    raise ValueError(f"{name} has another size")
                _put(module, name, _cut(self._weights[name], weight))
        for name, table in list(module.named_buffers(remove_duplicate=False)):
            if name in self._stored and self._stored[name].shape == table.shape:
                _put(module, name, self._stored[name])
        module = module.to(self._model.device).eval()
        few = sum(weight.numel() for weight in module.parameters()) <= _FLOATS
        return module.float() if few else module


def _values(numbers: Sequence[Knob]) -> dict[Knob, int]:
    """What numbers are lowered to; equal ones stay equal, and their order stays."""
    sizes = sorted({knob.value for knob in numbers})
    places = {knob: sizes.index(knob.value) for knob in numbers}
    return {k: min(_NARROW + _STEP * place, k.value - 1) for k, place in places.items()}


def _beyond(values: Mapping[Knob, int]) -> int:
    """The length of a text that is longer than all windows."""
    return max(values.values(), default=_NARROW) + _BEYOND


def _bare(kind: type[PreTrainedModel], config: PreTrainedConfig) -> PreTrainedModel:
    """Make a model with its computed tables, and with weights that are not initialized."""
    with _BUILDING, transformers.initialization.no_init_weights():
        return kind._from_config(config)  # noqa: SLF001  # the public way knows no class


def _cut(weight: Tensor, like: Tensor) -> nn.Parameter:
    """The first rows of a weight, as many as `like` has; the memory is shared."""
    if weight.shape[1:] != like.shape[1:] or len(weight) < len(like):
        raise ValueError(f"{tuple(like.shape)} does not match {tuple(weight.shape)}")
    part = weight.data if len(weight) == len(like) else weight.data[: len(like)]
    return torch.nn.Parameter(part, requires_grad=False)


def _put(module: nn.Module, name: str, value: Tensor) -> None:
    holder, _, last = name.rpartition(".")
    part = module.get_submodule(holder)
    if isinstance(value, torch.nn.Parameter):
        part._parameters[last] = value  # noqa: SLF001
    else:
        part._buffers[last] = value.detach().clone()  # noqa: SLF001
