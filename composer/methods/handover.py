"""When the rest of an answer is handed to another member."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, Self

from pydantic import Field, PrivateAttr

from composer.engine.sessions.parts import Handover
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from composer.engine.generation import GenerationState
    from composer.engine.group import Group
    from composer.engine.requests.draw import Drawn

__all__ = ["Doubt", "ExpertTokens", "Handover"]


class Doubt(Handover):
    """When the geometric mean probability of the last `window` tokens is less than `below`."""

    name: ClassVar[str] = "doubt"

    below: float = Field(default=0.5, gt=0, le=1)
    window: int = Field(default=4, ge=1)

    @property
    def experts(self) -> int:
        """One: low confidence says nothing of who knows better."""
        return 1

    def expert(self, drawn: Drawn, answer: GenerationState) -> int | None:
        """Compare the mean log-probability of the last tokens with the threshold."""
        last = [*answer.logprobs, drawn.logprob][-self.window :]
        low = math.fsum(last) / self.window < math.log(self.below)
        return 0 if len(last) == self.window and low else None


class ExpertTokens(Handover):
    """When the first member writes one of these `tokens`, trained to name one expert each."""

    name: ClassVar[str] = "expert_tokens"
    paper: ClassVar[str] = "arXiv:2403.16854"

    tokens: tuple[str, ...]

    _places: Mapping[int, int] = PrivateAttr(default_factory=dict)

    @property
    def experts(self) -> int:
        """One for each token."""
        return len(self.tokens)

    def prepare(self, group: Group) -> Self:
        """Find the entries of the tokens."""
        prepared = self.model_copy()
        prepared._places = _places(group, self.tokens)  # noqa: SLF001 - its own copy
        return prepared

    def expert(self, drawn: Drawn, answer: GenerationState) -> int | None:
        """Return the place of the token, if it is one of these."""
        del answer
        return self._places.get(drawn.entry)


def _places(group: Group, tokens: Sequence[str]) -> dict[int, int]:
    """Return the entries that a group's first model means by tokens, and their places."""
    slot, entry_of = group.slots[0], group.entry_of[0]
    ids = slot.runner.model.vocabulary.names()
    places: dict[int, int] = {}
    for place, name in enumerate(tokens):
        if name not in ids:
            raise ModelError(
                "E402",
                f"{slot.name} has no token `{name}`",
                "use tokens that were added to its tokenizer",
            )
        entry = entry_of[ids[name]] if ids[name] < len(entry_of) else len(group.space)
        if entry == len(group.space):
            raise ModelError(
                "E402",
                f"the first member cannot write the token `{name}` of {slot.name}",
                "put a single model first, or use a token that all members can write",
            )
        places[entry] = place
    return places
