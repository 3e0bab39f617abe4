"""What a distribution ranges over: entries that are bytes, or the end of the answer.

A model's space is its vocabulary. How one space lies in another goes by bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from composer.models.local import LocalModel

__all__ = ["Map", "Space", "lay", "space_of"]


@dataclass(frozen=True, eq=False)
class Space:
    """`pieces[entry]` is its bytes, None where it has none; `ends` are the entries that end."""

    key: str
    pieces: Sequence[bytes | None]
    ends: frozenset[int]
    lone: frozenset[int] = frozenset()

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
        return table


@dataclass(frozen=True)
class Map:
    """How a space lies in a wider one.

    `take[e]` is the own entry that writes the wider one's entry e, or -1. `give[e]` is the wider
    entry that the own entry e means, or one beyond the last. `also` are the own entries that mean
    what another one writes, in rounds in which no wider entry occurs twice: (wider, own) pairs.
    """

    take: list[int]
    give: list[int]
    also: list[list[tuple[int, int]]] = field(default_factory=list)


def space_of(model: LocalModel) -> Space:
    """The space of one model: the ids that are tokens."""
    vocabulary = model.vocabulary
    ends = frozenset(i for i in model.ends if i < model.width)
    return Space(vocabulary.fingerprint, vocabulary.pieces[: model.width], ends, vocabulary.lone)


def lay(space: Space, at: Mapping[bytes, int], end: int, width: int) -> Map:
    """How a space lies in one of a width whose entries spell the bytes of `at`.

    Bytes that are not there lie nowhere. The wider one's end entry is `end`.
    """
    take = [-1] * width
    for piece, entry in space.ids.items():
        if piece in at:
            take[at[piece]] = entry
    ends = sorted(space.ends)
    take[end] = ends[0] if ends else -1
    rest = [(at[p], e) for e, p in enumerate(space.pieces) if p and p in at and _more(space, e, p)]
    give = [end if e in space.ends else at.get(p or b"", width) for e, p in enumerate(space.pieces)]
    return Map(take, give, _rounds([*rest, *((end, e) for e in ends[1:])]))


def _more(space: Space, entry: int, piece: bytes) -> bool:
    """Whether an entry means what another entry already stands for."""
    return entry not in space.ends and space.ids[piece] != entry


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
