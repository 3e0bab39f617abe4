"""How a teacher's tokens are brought to the student's: positions first, then vocabularies."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from composer.heavy import torch
from composer.methods.align.distance import nearest
from composer.methods.align.table_cache import cached_table
from composer.methods.distillation.base import Match
from composer.methods.distillation.warping import align_pairs, warp

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from composer.engine.space import Space

__all__ = ["Counts", "Exact", "NearestTokens", "OneToOne"]


class Exact(Match):
    """Match only tokens that are the same bytes in the same place; other tokens are lost."""

    name: ClassVar[str] = "exact"
    paper: ClassVar[str] = "arXiv:2401.10491"

    def places(self, student: Sequence[bytes], teacher: Sequence[bytes]) -> list[list[int]]:
        """Find tokens that begin and end where the student's do."""
        places = {span: n for n, span in enumerate(_spans(teacher))}
        return [[places[span]] if span in places else [] for span in _spans(student)]

    def accepts(self, student: bytes, teacher: bytes, mapped: bytes) -> bool:
        """Say that they are the same."""
        del mapped
        return student == teacher

    def vocabulary(
        self, student: Space, teacher: Space, pairs: Mapping[tuple[int, int], int]
    ) -> Tensor:
        """Find the tokens of the same bytes."""
        del pairs
        return torch.tensor([student.ids.get(piece or b"", -1) for piece in teacher.pieces])


class NearestTokens(Match):
    """Match texts and vocabularies by minimum edit distance (FuseLLM's MinED).

    The tokens of a text are aligned by dynamic time warping over the edit distance of pieces. A
    place counts where one token of the teacher goes with the student's, and is that token or the
    nearest to it.
    """

    name: ClassVar[str] = "edits"
    paper: ClassVar[str] = "arXiv:2401.10491"

    def places(self, student: Sequence[bytes], teacher: Sequence[bytes]) -> list[list[int]]:
        """Warp the texts onto each other; several tokens for one are not used."""
        return [each if len(each) == 1 else [] for each in warp(student, teacher)]

    def accepts(self, student: bytes, teacher: bytes, mapped: bytes) -> bool:
        """Say that the teacher's is the student's token, or the nearest to it."""
        return student in (teacher, mapped)

    def vocabulary(
        self, student: Space, teacher: Space, pairs: Mapping[tuple[int, int], int]
    ) -> Tensor:
        """Find for each token the student's that the fewest edits of bytes make of it."""
        del pairs
        return cached_table(
            "distillation", (student.content, teacher.content), lambda: _nearest(student, teacher)
        )


class OneToOne(Exact):
    """Match tokens one to one, in order, with the fewest edits in all, by dynamic programming.

    A token that would need more edits than to be left out goes with none. Vocabularies match by
    equal bytes.
    """

    name: ClassVar[str] = "one_to_one"
    paper: ClassVar[str] = "arXiv:2408.07990"

    def places(self, student: Sequence[bytes], teacher: Sequence[bytes]) -> list[list[int]]:
        """Pair the tokens of the texts."""
        return [[] if at < 0 else [at] for at in align_pairs(student, teacher)]

    def accepts(self, student: bytes, teacher: bytes, mapped: bytes) -> bool:
        """Say that one ends as the other does."""
        del mapped
        return student.endswith(teacher) or teacher.endswith(student)


class Counts(Match):
    """Match vocabularies by how often tokens went together in the corpus (FuseChat).

    Texts are warped as with `edits`; of several tokens for one of the student's, the last counts
    that ends as it does. A token with no counterpart of the same bytes becomes the one that it went
    with most often; of equally frequent ones, the one with the fewest edits.
    """

    name: ClassVar[str] = "counts"
    paper: ClassVar[str] = "arXiv:2408.07990"
    counts: ClassVar[bool] = True

    def places(self, student: Sequence[bytes], teacher: Sequence[bytes]) -> list[list[int]]:
        """Warp the texts onto each other."""
        return warp(student, teacher)

    def accepts(self, student: bytes, teacher: bytes, mapped: bytes) -> bool:
        """Say that one ends as the other does."""
        del mapped
        return student.endswith(teacher) or teacher.endswith(student)

    def vocabulary(
        self, student: Space, teacher: Space, pairs: Mapping[tuple[int, int], int]
    ) -> Tensor:
        """Find equal tokens, then those that are met most often."""
        table = Exact().vocabulary(student, teacher, pairs)
        best: dict[int, tuple[tuple[int, int], int]] = {}
        for (own, other), count in sorted(pairs.items()):
            rank = count, -_edits(teacher.pieces[own] or b"", student.pieces[other] or b"")
            if table[own] < 0 and (own not in best or rank > best[own][0]):
                best[own] = rank, other
        for own, (_, other) in best.items():
            table[own] = other
        return table


def _nearest(student: Space, teacher: Space) -> Tensor:
    tokens = [n for n, piece in enumerate(teacher.pieces) if piece and n not in teacher.ends]
    places = nearest([teacher.pieces[n] or b"" for n in tokens], list(student.ids))
    table = torch.full((len(teacher),), -1)
    table[tokens] = torch.tensor(list(student.ids.values()))[torch.from_numpy(places)]
    return table


def _spans(pieces: Sequence[bytes]) -> list[tuple[int, int]]:
    """Where tokens begin and end, counted from the end of the text.

    Some tokenizers put a space before a text, so that beginnings are not alike.
    """
    end = sum(map(len, pieces))
    spans = []
    for piece in pieces:
        spans.append((end, end - len(piece)))
        end -= len(piece)
    return spans


def _edits(one: bytes, other: bytes) -> int:
    from rapidfuzz.distance import Levenshtein

    return Levenshtein.distance(one, other)
