"""The models of a server: each is a recipe that is ready to be asked, under a name."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from composer.backends.endpoint.asking.prompting import PromptWriter
from composer.checkpoints.chatfiles import special_tokens
from composer.compiler.graph import model_of, topological
from composer.diagnostics import did_you_mean
from composer.engine.weights.merging import fetched
from composer.serve.errors import ProtocolError
from composer.specs import leaves
from composer.values import Port

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

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
    def tokenizer(self) -> PromptWriter | None:
        """The tokenizer of the first model that writes the answer.

        It also writes a conversation as that model's template does. None where its files are not
        here, or where steps with different tokenizers may write the answer.
        """
        tokenizers = [_tokenizer_of(each) for each in self._first_writers]
        known = {None if each is None else each.vocabulary.fingerprint for each in tokenizers}
        return tokenizers[0] if len(known) == 1 else None

    @cached_property
    def special_tokens(self) -> Mapping[str, str]:
        """The special tokens of that tokenizer by their roles, such as `eos_token`."""
        folder = None if self.tokenizer is None else _folder_of(self._first_writers[0])
        return {} if folder is None else special_tokens(folder)

    @property
    def _first_writers(self) -> list[Checkpoint]:
        """The first model of each step whose text may be the answer."""
        asked = (e for each in self.ensemble.writers for e in each.inputs if e.port is Port.MODEL)
        firsts = (next(each for each in topological(node) if each.is_checkpoint) for node in asked)
        return [leaf for node in firsts for leaf in leaves(model_of(node))]

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
    folder = _folder_of(model)
    return None if folder is None else PromptWriter(folder, model.weights.chat, model.name)


def _folder_of(model: Checkpoint) -> Path | None:
    """Return where the tokenizer of a model lies; that of a hub's model is there once it runs."""
    if model.folder is None and model.is_local:
        return fetched(model.weights)
    return model.folder
