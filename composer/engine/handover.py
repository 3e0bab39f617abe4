"""When the first member of a hand-over stops writing, and who goes on.

A rule is made once for a hand-over, `doubt(experts, ...)`, and is asked after every draw.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.engine.generation import GenerationState
    from composer.engine.group import Group
    from composer.engine.requests.draw import Draw, Drawn

__all__ = ["When", "doubt", "special"]


class When(Protocol):
    """Who is to go on, by place among the experts, or None for the first member itself."""

    def __call__(self, request: Draw, found: Drawn, answer: GenerationState) -> int | None:
        """Look at what was drawn; it is not written if somebody else goes on."""


def doubt(experts: Sequence[str], *, below: float = 0.5, window: int = 4) -> When:
    """Hand over where the last `window` tokens' geometric mean probability is below a bound."""
    if len(experts) != 1:
        raise ModelError(
            "E206", f"`doubt` cannot choose among {len(experts)} experts", "give one expert"
        )

    def when(request: Draw, found: Drawn, answer: GenerationState) -> int | None:
        del request
        last = [*answer.logprobs, found.logprob][-window:]
        return 0 if len(last) == window and math.fsum(last) / window < math.log(below) else None

    return when


def special(experts: Sequence[str], *, tokens: tuple[str, ...]) -> When:
    """Hand over to the n-th expert where the first member writes the n-th of some tokens.

    Expert tokens: ETR, arXiv:2403.16854; the first member was taught to write them.
    """
    if len(tokens) != len(experts):
        raise ModelError("E403", f"{len(experts)} experts, but {len(tokens)} tokens")
    known: dict[int, int] = {}

    def when(request: Draw, found: Drawn, answer: GenerationState) -> int | None:
        del answer
        if not known:
            known.update(_entries(request.sequence.group, tokens))
        return known.get(found.entry)

    return when


def _entries(group: Group, tokens: Sequence[str]) -> dict[int, int]:
    """The entries that a group's first model means by tokens, and their places."""
    slot, means = group.slots[0], group.entry_of[0]
    ids = slot.runner.model.vocabulary.names()
    found: dict[int, int] = {}
    for place, name in enumerate(tokens):
        if name not in ids:
            raise ModelError(
                "E402",
                f"{slot.name} has no token `{name}`",
                "use tokens that were added to its tokenizer",
            )
        entry = means[ids[name]] if ids[name] < len(means) else len(group.space)
        if entry == len(group.space):
            raise ModelError(
                "E402",
                f"the first member cannot write the token `{name}` of {slot.name}",
                "put a single model first, or use a token that all members can write",
            )
        found[entry] = place
    return found
