"""The models of a server: each is a recipe that is ready to be asked, under a name."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from composer.backends.endpoint.asking.prompting import PromptWriter
from composer.compiler.graph import model_of
from composer.diagnostics import did_you_mean
from composer.serve.errors import ProtocolError
from composer.specs import leaves

if TYPE_CHECKING:
    from collections.abc import Mapping

    from composer.recipe import Recipe
    from composer.run import Ensemble
    from composer.specs import Checkpoint

__all__ = ["Registry", "ServedModel"]


@dataclass(frozen=True, eq=False)
class ServedModel:
    """A recipe that is served as the model `id`; `created` is in seconds since 1970."""

    id: str
    recipe: Recipe
    ensemble: Ensemble
    created: int = field(default_factory=lambda: int(time.time()))

    @cached_property
    def first_writer(self) -> Checkpoint | None:
        """The first model that writes the answer; None where several steps may write it."""
        asked_node = self.recipe.optimized.root.asks
        return None if asked_node is None else next(leaves(model_of(asked_node)))

    @cached_property
    def tokenizer(self) -> PromptWriter | None:
        """The tokenizer of the first model that writes the answer; None where there is none here.

        It also writes a conversation as that model's template does.
        """
        return None if self.first_writer is None else _tokenizer_of(self.first_writer)

    @cached_property
    def context(self) -> int | None:
        """The smallest number of tokens that a model of the recipe reads, as far as is known."""
        contexts = (each.context for each in self.recipe.plan().models)
        return min((each for each in contexts if each is not None), default=None)


@dataclass(frozen=True, eq=False)
class Registry:
    """The models of a server by their ids."""

    models: Mapping[str, ServedModel]

    def get(self, name: str) -> ServedModel:
        """Return a model; raises ProtocolError (E802) where there is none of this name."""
        served = self.models.get(name)
        if served is None:
            advice = did_you_mean(name, self.models)
            text = f"there is no model `{name[:100]}` on this server: {advice}"
            raise ProtocolError("E802", text, param="model")
        return served


def _tokenizer_of(model: Checkpoint) -> PromptWriter | None:
    """Return the tokenizer of a model; None where its files are not on this machine."""
    if model.folder is None:
        return None
    return PromptWriter(model.folder, model.weights.chat, model.name)
