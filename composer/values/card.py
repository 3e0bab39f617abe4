"""What is known of a model before it is loaded."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from composer.values.capability import Capability

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Card", "Price"]

Dollars = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Price = tuple[Dollars, Dollars] | None
"""Dollars for a million tokens read and for a million tokens written, where known."""


@dataclass(frozen=True)
class Card:
    """What a model can do and how large it is, read from small files without loading it.

    `active` is how many of its parameters a token uses, None if that is all of them. `bytes` is the
    size of the weights at the declared dtype, `vocabulary` the fingerprint of the
    tokenizer. `losses` is what the chat template leaves out of a conversation: `system`, the
    system's text, or `turns`, earlier ones. `deferred` lists what only a download or a probe can
    tell, and `why` gives the reason for an ability that the model lacks. `unheeded` names
    the settings in the model's files that are ignored, and `other_base` the base that an adapter
    names, where it is not the one that the recipe names. `adapter_bytes` are those of `bytes` that
    belong to an adapter. `stored` says how the weights are quantized, if they are.
    """

    capabilities: Capability
    architecture: str = ""
    parameters: int | None = None
    active: int | None = None
    bytes: int | None = None
    context: int | None = None
    vocabulary: str | None = None
    vocabulary_size: int | None = None
    price: tuple[float, float] | None = None
    deferred: tuple[str, ...] = ()
    unheeded: str = ""
    losses: frozenset[str] = frozenset()
    other_base: str = ""
    adapter_bytes: int = 0
    stored: str = ""
    why: Mapping[Capability, str] = field(
        default_factory=lambda: MappingProxyType({}), compare=False
    )

    def lacks(self, needed: Capability) -> tuple[Capability, ...]:
        """The needed abilities that the model does not have."""
        return self.capabilities.missing(needed)


def lacking(reason: str, *, has: Capability) -> Mapping[Capability, str]:
    """Return the same reason for every ability that a model does not have."""
    return MappingProxyType(dict.fromkeys((flag for flag in Capability if flag not in has), reason))
