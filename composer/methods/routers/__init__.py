"""The gates of mixtures of experts that are made of dense models."""

from composer.specs.parts import Router

__all__ = ["Router"]
