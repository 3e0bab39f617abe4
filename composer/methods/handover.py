"""When the rest of an answer is handed to another member. The fusion core looks at the tokens."""

from typing import ClassVar

from pydantic import Field

from composer.specs.parts import Handover


class Doubt(Handover):
    """When the geometric mean probability of the last `window` tokens is less than `below`."""

    name: ClassVar[str] = "doubt"
    where: ClassVar[str] = "composer.engine.handover:doubt"

    below: float = Field(default=0.5, gt=0, le=1)
    window: int = Field(default=4, ge=1)

    @property
    def experts(self) -> int:
        """One: a doubt names nobody."""
        return 1


class ExpertTokens(Handover):
    """When the first member writes one of these `tokens`, trained to name one expert each."""

    name: ClassVar[str] = "expert_tokens"
    paper: ClassVar[str] = "arXiv:2403.16854"
    where: ClassVar[str] = "composer.engine.handover:special"

    tokens: tuple[str, ...]

    @property
    def experts(self) -> int:
        """One for each token."""
        return len(self.tokens)
