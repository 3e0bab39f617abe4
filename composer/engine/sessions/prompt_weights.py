"""Weights that a fuse computes once, from the prompt, before the first token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.engine.sessions.parts import PromptWeigh
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from composer.engine.sequence import SequenceState
    from composer.values.flow import Query

__all__ = ["prompt_weights_of", "set_prompt_weights"]


async def set_prompt_weights(sequence: SequenceState, query: Query) -> None:
    """Set the weights that the fuse computes from the prompt, if it does.

    Raises ModelError (E701) if no member has a weight above zero then.
    """
    weigh = sequence.group.prompt_weigh
    if not isinstance(weigh, PromptWeigh):
        return
    factors = await weigh.prompt_weights(sequence, query)
    weights = [w * f for w, f in zip(sequence.weights, factors, strict=True)]
    total = sum(weights)
    if not total > 0:
        raise ModelError(
            "E701",
            "every member of the fuse has the weight zero after reading the prompt",
            "write `weights = [...]` instead of `weigh`",
        )
    sequence.set_weights([weight / total for weight in weights])


def prompt_weights_of(sequence: SequenceState) -> dict[str, float]:
    """The weights that were computed from the prompt, by member; empty if they are fixed."""
    group = sequence.group
    if group.prompt_weigh is None:
        return {}
    return {slot.name: w for slot, w in zip(group.slots, sequence.weights, strict=True)}
