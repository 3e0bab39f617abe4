"""Derived models in memory only: made again and again in other ways, never written."""

from __future__ import annotations

from contextlib import ExitStack
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import torch

from composer.checkpoints.faults import sound
from composer.engine.weights.building import BUILDERS, donors_of
from composer.engine.weights.loading import config_of, tokenizer_of
from composer.engine.weights.local import LocalModel, load
from composer.engine.weights.tensors import FLOATS
from composer.heavy import transformers
from composer.quiet import quiet
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from torch import Tensor

    from composer.engine.weights.writing import Construction
    from composer.specs import Derived
    from composer.specs.headers import TensorHeader

__all__ = ["InMemory"]


class InMemory:
    """A derived model whose weights are made in place, without a checkpoint; use it with `with`.

    Its tensors are those that would be written, in the same number types. `make` makes the weights
    of a model of the same donors. As long as its shape is that of the first donor, the module is
    one and the same, so a model made before is gone.
    """

    def __init__(self, model: Derived, device: torch.device | str = "cpu") -> None:
        self._model, self._device = model, device
        self._files = ExitStack()

    def __enter__(self) -> Self:
        donors = donors_of(self._model)
        self.donors = [self._files.enter_context(donor.open()) for donor in donors]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._files.close()

    @cached_property
    def local(self) -> LocalModel:
        """The model in memory; until weights are made, they are those of the first donor."""
        return load(self._model.sources[0], self._device)

    @cached_property
    def parameters(self) -> dict[str, Tensor]:
        """The weights in memory by their names in files.

        Raises ModelError (E505) where the architecture computes with other tensors than it stores.
        """
        return self._named(self.local, self.donors[0].headers)

    def maker(self, model: Derived) -> Callable[[str], Tensor]:
        """Return what makes each tensor of a model of the same donors, in the arithmetic's type."""
        return _whole(self._construction(model))

    @torch.no_grad()
    def make(self, model: Derived) -> LocalModel:
        """Make the weights of a model of the same donors, and return it."""
        construction = self._construction(model)
        make, headers = _whole(construction), construction.headers
        local, weights = self.local, self.parameters
        if construction.config:
            local = self._shaped(construction.config)
            weights = self._named(local, headers)
        for name, weight in weights.items():
            kind = FLOATS.get(headers[name].dtype)
            made = make(name)
            weight.copy_(made if kind is None else made.to(kind))
        return local

    def _construction(self, model: Derived) -> Construction:
        return BUILDERS[type(model)](model, self.donors)

    @quiet()
    def _shaped(self, config: Mapping[str, Any]) -> LocalModel:
        """Return a new model of another shape: the first donor's, with changes in config.json."""
        folder = self.donors[0].folder
        settings = config_of(folder)
        for name, value in config.items():
            setattr(settings, name, value)
        dtype = self.local.dtype
        module = transformers.AutoModelForCausalLM.from_config(settings, dtype=dtype)
        module = module.to(self.local.device).eval().requires_grad_(requires_grad=False)
        files = sound(folder)
        encoder, tokenizer = tokenizer_of(files)
        return LocalModel(module, tokenizer, self.local.device, self.local.name, files, encoder)

    def _named(self, local: LocalModel, stored: Mapping[str, TensorHeader]) -> dict[str, Tensor]:
        named = local.module.state_dict(keep_vars=True)
        found = {name: named[name] for name in stored if name in named}
        places = {tensor.data_ptr() for tensor in found.values()}
        lacking = [n for n, p in local.module.named_parameters() if p.data_ptr() not in places]
        unlike = [n for n, t in found.items() if tuple(t.shape) != tuple(stored[n].shape)]
        absent = [name for name in stored if name not in named]
        strange = next(iter([*absent, *lacking, *unlike]), None)
        if strange is not None:
            text = f"{self._model.name} cannot be searched: `{strange}` is stored in another form"
            help_ = "search models whose files have the tensors of their class in transformers"
            raise ModelError("E505", text, help_)
        return found


def _whole(construction: Construction) -> Callable[[str], Tensor]:
    """Return what makes a tensor whole, also where it comes in pieces."""

    def make(name: str) -> Tensor:
        made = construction.make(name)
        return made if isinstance(made, torch.Tensor) else torch.cat(list(made))

    return make
