"""How a fuse aligns the vocabularies of its members: one file a way, a subclass of `Align`."""

from composer.engine.parts import Align

__all__ = ["Align"]
