"""Models: what each can do, and the backends that recipes name."""

from composer.models.backends import BACKENDS
from composer.models.capability import Capability
from composer.models.card import Card
from composer.models.checkpoint import Checkpoint, ModelError
from composer.models.declaration import Declaration, TextModel

__all__ = [
    "BACKENDS",
    "Capability",
    "Card",
    "Checkpoint",
    "Declaration",
    "ModelError",
    "TextModel",
]
