"""How a model of a folder is asked: by its declaration, and by the folder where that says so."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from composer.checkpoints.biases import biased, pieces_of
from composer.checkpoints.folder import card_of
from composer.checkpoints.generation import Stated, stated_in
from composer.values.errors import ModelError
from composer.values.processing import Processing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from composer.values.card import Card

__all__ = ["GenerationOptions", "checked", "processing_of", "settings_of", "unheeded"]


class GenerationOptions(Protocol):
    """A declaration with options that change logits, and one that heeds what the folder states."""

    @property
    def generation_config(self) -> bool | None:
        """Whether what the folder states is heeded; None where nobody said."""

    @property
    def repetition_penalty(self) -> float | None:
        """As in `generate`."""

    @property
    def presence_penalty(self) -> float | None:
        """As in `generate`."""

    @property
    def frequency_penalty(self) -> float | None:
        """As in `generate`."""

    @property
    def logit_bias(self) -> tuple[tuple[int | str, float], ...] | None:
        """As in `generate`."""

    @property
    def min_tokens(self) -> int | None:
        """As in `generate`."""

    @property
    def folder(self) -> Path | None:
        """Where the model lies on this machine."""

    def card(self) -> Card:
        """Say what the model can do."""


def processing_of(model: GenerationOptions) -> Processing:
    """Return what is done to a model's logits: its declaration goes before its files."""
    own = Processing(
        model.repetition_penalty,
        model.presence_penalty,
        model.frequency_penalty,
        model.logit_bias,
        model.min_tokens,
    )
    stated = _heeded(model)
    return own if stated is None else own.over(stated.processing())


def settings_of(model: GenerationOptions) -> Mapping[str, Any]:
    """Return options of `generate` for a model that answers alone."""
    stated = _heeded(model)
    own = {} if model.min_tokens is None else {"min_tokens": model.min_tokens}
    return own if stated is None else stated.settings() | own


def checked(model: GenerationOptions, card: Card, name: str) -> Card:
    """Return a card, or raise ModelError for what the model cannot honour."""
    folder = model.folder
    if model.generation_config and folder is None:
        text = f"the generation_config.json of `{name}` is not on this machine"
        help_ = "download the model first, or leave out `generation_config` and give the options"
        raise ModelError("E408", text, help_)
    stated = _heeded(model)
    if stated is not None and stated.refused:
        refused = replace(stated, values=stated.refused)
        text = f"the {stated.said_in} of `{name}` cannot be used: {refused.text}"
        help_ = "leave out `generation_config`, and give the settings as options"
        raise ModelError("E408", text, help_)
    processing_of(model), settings_of(model)  # raise for values that are of no use
    pieces = pieces_of(folder) if folder is not None and model.logit_bias else None
    if pieces is not None:
        biased(pieces, model.logit_bias or (), name)
    return card


def unheeded(model: GenerationOptions, card: Card) -> str:
    """Say what a folder states of how its model is asked, and nobody said whether to heed it."""
    if model.folder is None or model.generation_config is not None:
        return ""
    stated = stated_in(model.folder, card.context)
    own = processing_of(model).set_options
    left = {n: v for n, v in stated.values.items() if n not in own}
    text = replace(stated, values=left).text
    return text and f"its {stated.said_in} says {text}"


def _heeded(model: GenerationOptions) -> Stated | None:
    """Return what a model's folder states, where the declaration asks that it be heeded."""
    if not model.generation_config or model.folder is None:
        return None
    return stated_in(model.folder, card_of(model.folder).context)
