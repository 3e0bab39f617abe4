"""What a distribution ranges over: entries that are bytes, or the end of the answer.

A model's space is its vocabulary. How one space lies in another goes by bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from composer.heavy import torch

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from torch import Tensor

    from composer.engine.weights.tokens import TokenModel

__all__ = ["Map", "Space", "lay", "space_of"]


@dataclass(frozen=True, eq=False)
class Space:
    """`pieces[entry]` is its bytes, None where it has none; `ends` are the entries that end.

    `lone` are entries that stand for a byte that no whole one holds. `chosen` says which entry to
    write a piece with that several stand for. `lacking` are bytes that cannot be written at all.
    """

    key: str
    pieces: Sequence[bytes | None]
    ends: frozenset[int]
    lone: frozenset[int] = frozenset()
    chosen: Mapping[bytes, int] = field(default_factory=dict)
    lacking: frozenset[int] = frozenset()

    def __len__(self) -> int:
        return len(self.pieces)

    @cached_property
    def ids(self) -> dict[bytes, int]:
        """The entry that writes each byte string; a whole token goes before a lone-byte one."""
        table: dict[bytes, int] = {}
        for entry, piece in enumerate(self.pieces):
            if (
                piece
                and entry not in self.ends
                and (piece not in table or table[piece] in self.lone)
            ):
                table[piece] = entry
        own = range(len(self))
        table.update((p, e) for p, e in self.chosen.items() if e in own and p in table)
        return table

    @cached_property
    def content(self) -> str:
        """What tells the space from others: its vocabulary, its width and its ends."""
        return f"{self.key}/{len(self)}/{sorted(self.ends)}"


@dataclass(frozen=True, eq=False)
class Map:
    """How a space lies in another one, the wider.

    `take[e]` is the own entry that writes the wider one's entry e, or -1. `give[e]` is the wider
    entry that the own entry e means, or one beyond the last. `also` are the own entries that mean
    what another one writes, in rounds in which no wider entry occurs twice: pairs [n, 2] of the
    wider and the own one.
    """

    take: Tensor
    give: Tensor
    also: list[Tensor] = field(default_factory=list)

    def to(self, device: torch.device) -> Map:
        """The same map on a device."""
        also = [pairs.to(device) for pairs in self.also]
        return Map(self.take.to(device), self.give.to(device), also)


def space_of(model: TokenModel) -> Space:
    """The space of one model: the ids that are tokens."""
    own = model.vocabulary
    ends = frozenset(i for i in model.ends if i < model.width)
    pieces = own.pieces[: model.width]
    return Space(own.fingerprint, pieces, ends, own.lone, own.ids, own.lacking)


def lay(space: Space, at: Mapping[bytes, int], end: int, width: int) -> Map:
    """How a space lies in one of a width whose entries spell the bytes of `at`.

    Bytes that are not there lie nowhere. The wider one's end entry is `end`; `width` if it has
    none.
    """
    ends = sorted(space.ends)
    give = torch.tensor([at.get(piece, width) if piece else width for piece in space.pieces])
    give[ends] = end
    writers = torch.tensor([*space.ids.values(), *ends[:1]], dtype=torch.int64)
    take = torch.full((width + 1,), -1)
    take[give[writers]] = writers
    more = torch.nonzero((give < width) & (take[give] != torch.arange(len(give)))).flatten()
    pairs = zip(give[more].tolist(), more.tolist(), strict=True)
    return Map(take[:width], give, [torch.tensor(r) for r in _rounds(pairs)])


def _rounds(pairs: Iterable[tuple[int, int]]) -> list[list[tuple[int, int]]]:
    """Part pairs so that no first half occurs twice in a round."""
    rounds: list[dict[int, int]] = []
    for wide, own in pairs:
        free = next((r for r in rounds if wide not in r), None)
        if free is None:
            rounds.append({wide: own})
        else:
            free[wide] = own
    return [list(r.items()) for r in rounds]
