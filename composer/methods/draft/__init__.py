"""Who writes ahead in a token fuse: one file a way, a subclass of `Draft`."""

from composer.engine.sessions.parts import Draft

__all__ = ["Draft"]
