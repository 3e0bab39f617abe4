"""Models: what each can do, and the backends that recipes name."""

from composer.backends.table import BACKENDS
from composer.specs.declaration import Declaration, Local, Remote
from composer.values.capability import Capability
from composer.values.card import Card
from composer.values.errors import ModelError

__all__ = ["BACKENDS", "Capability", "Card", "Declaration", "Local", "ModelError", "Remote"]
