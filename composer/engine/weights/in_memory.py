"""Derived models in memory only: made again and again with other coefficients, never written."""

from __future__ import annotations

from contextlib import ExitStack
from functools import cached_property
from typing import TYPE_CHECKING, Self

import torch

from composer.engine.weights.building import BUILDERS, donors_of
from composer.engine.weights.local import LocalModel, load
from composer.engine.weights.tensors import FLOATS
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from torch import Tensor

    from composer.specs import Derived

__all__ = ["InMemory"]


class InMemory:
    """A derived model whose weights are made in place, without a checkpoint; use it with `with`.

    Its tensors are those that would be written, in the same number types. `make` makes the weights
    of a model of the same donors; the module is one and the same, so a model made before is gone.
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
        named = self.local.module.state_dict(keep_vars=True)
        stored = self.donors[0].headers
        found = {name: named[name] for name in stored if name in named}
        places = {tensor.data_ptr() for tensor in found.values()}
        lacking = [n for n, p in self.local.module.named_parameters() if p.data_ptr() not in places]
        unlike = [n for n, t in found.items() if tuple(t.shape) != tuple(stored[n].shape)]
        strange = next(
            iter([*(name for name in stored if name not in named), *lacking, *unlike]), None
        )
        if strange is not None:
            text = f"{self._model.name} cannot be searched: `{strange}` is stored in another form"
            help_ = "search models whose files have the tensors of their class in transformers"
            raise ModelError("E505", text, help_)
        return found

    def maker(self, model: Derived) -> Callable[[str], Tensor]:
        """Return what makes each tensor of a model of the same donors, in the arithmetic's type."""
        make = BUILDERS[type(model)](model, self.donors).make

        def whole(name: str) -> Tensor:
            made = make(name)
            return made if isinstance(made, torch.Tensor) else torch.cat(list(made))

        return whole

    @torch.no_grad()
    def make(self, model: Derived) -> LocalModel:
        """Make the weights of a model of the same donors, and return it."""
        make, headers = self.maker(model), model.tensors
        for name, parameter in self.parameters.items():
            kind = FLOATS.get(headers[name].dtype)
            made = make(name)
            parameter.copy_(made if kind is None else made.to(kind))
        return self.local
