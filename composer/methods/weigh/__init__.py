"""How the members of a fuse are weighed: one file a way, a subclass of `Weigh` or `PromptWeigh`."""

from composer.engine.parts import Weigh
from composer.engine.sessions.parts import PromptWeigh

__all__ = ["PromptWeigh", "Weigh"]
