"""What a fuse that weighs by its prompt does before the first token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from composer.engine.sequence import SequenceState
    from composer.values.flow import Query

__all__ = ["PromptWeights", "prompt_weights_of", "set_prompt_weights"]


class PromptWeights(Protocol):
    """Factors for the members' weights, in their order; a member of factor 0 is not run."""

    def __call__(self, sequence: SequenceState, query: Query) -> Awaitable[tuple[float, ...]]:
        """Find them from the prompts that the members of a cursor read."""


async def set_prompt_weights(sequence: SequenceState, query: Query) -> None:
    """Give a cursor at the beginning of its answer the weights that its prompt asks for."""
    prior: PromptWeights | None = sequence.group.prompt_weights
    if prior is None:
        return
    factors = await prior(sequence, query)
    found = [w * f for w, f in zip(sequence.weights, factors, strict=True)]
    total = sum(found)
    if not total > 0:
        raise ModelError(
            "E701",
            "every member of the fuse has the weight zero after reading the prompt",
            "write `weights = [...]` instead of `weigh`",
        )
    sequence.set_weights([each / total for each in found])


def prompt_weights_of(sequence: SequenceState) -> dict[str, float]:
    """The weights that a prompt gave, by member; nothing for a fuse that does not ask it."""
    group = sequence.group
    if group.prompt_weights is None:
        return {}
    return {slot.name: w for slot, w in zip(group.slots, sequence.weights, strict=True)}
