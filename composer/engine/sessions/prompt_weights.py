"""Weights that a fuse computes once, from the prompt, before the first token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from composer.engine.sequence import SequenceState
    from composer.values.flow import Query

__all__ = ["PromptWeights", "prompt_weights_of", "set_prompt_weights"]


class PromptWeights(Protocol):
    """Computes a factor for the weight of each member; a member with factor 0 does not run."""

    def __call__(self, sequence: SequenceState, query: Query) -> Awaitable[tuple[float, ...]]:
        """Return the factors in the order of members; `sequence` stands after their prompts."""


async def set_prompt_weights(sequence: SequenceState, query: Query) -> None:
    """Set the weights that the fuse computes from the prompt, if it does.

    Raises ModelError (E701) if no member has a weight above zero then.
    """
    compute: PromptWeights | None = sequence.group.prompt_weights
    if compute is None:
        return
    factors = await compute(sequence, query)
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
    if group.prompt_weights is None:
        return {}
    return {slot.name: w for slot, w in zip(group.slots, sequence.weights, strict=True)}
