"""Models: what each can do, and the backends that recipes name."""

from composer.models.backends import BACKENDS
from composer.ports.capability import Capability
from composer.ports.card import Card
from composer.ports.errors import ModelError
from composer.specs.declaration import Declaration, Local, Remote

__all__ = ["BACKENDS", "Capability", "Card", "Declaration", "Local", "ModelError", "Remote"]
