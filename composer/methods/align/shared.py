"""Members of one vocabulary, by content: ids mean the same, and nothing is aligned."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from composer.methods.align import Align
from composer.methods.align.tables import TableAlignment
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from composer.engine.parts import Member

__all__ = ["Shared", "one_vocabulary", "shared"]


class Shared(Align):
    """No alignment: the members have the same tokenizer."""

    name: ClassVar[str] = "shared"
    alike: ClassVar[bool] = True
    whole: ClassVar[bool] = True
    static: ClassVar[bool] = True

    def prepare(self, members: Sequence[Member], device: torch.device) -> TableAlignment:
        """Check that the vocabulary is the same; raises ModelError (E305)."""
        if not one_vocabulary(members):
            raise ModelError(
                "E305",
                f"{', '.join(member.name for member in members)} have different vocabularies",
                "add `align = union()`",
            )
        return shared(members, device)


def one_vocabulary(members: Sequence[Member]) -> bool:
    """Whether ids mean the same in all spaces, some of which may be padded."""
    return len({member.space.key for member in members}) == 1


def shared(members: Sequence[Member], device: torch.device) -> TableAlignment:
    """Return the alignment of members of one vocabulary: the narrowest of their spaces."""
    narrow = min((member.space for member in members), key=len)
    ends = frozenset(end for member in members for end in member.space.ends if end < len(narrow))
    return TableAlignment(replace(narrow, ends=ends), None, device)
