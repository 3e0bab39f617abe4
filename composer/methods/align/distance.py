"""For each byte string the one of others that the fewest edits of bytes make of it.

150,000 strings against as many are 2e10 pairs, too many to compare. Equal strings are found by
hash, and those one edit apart by what is left of them without one byte, both for certain. Of what
is further apart only neighbours in alphabetical order are compared, from the front and from the
back: the nearest of those is taken, which need not be the nearest of all.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cpdist

from composer.heavy import np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Numbers = NDArray[np.int64]

__all__ = ["levenshtein", "nearest"]

_WINDOW = 8  # neighbours on each side, in each order
_ALL = 1 << 22  # so many pairs are compared one and all
_BLOCK = 1 << 16  # pairs that are compared at a time
_FACTOR = 0x9E3779B97F4A7C15  # odd, so that it has an inverse


def nearest(queries: Sequence[bytes], strings: Sequence[bytes]) -> Numbers:
    """Places [asked] in `known` of the nearest; of equally near ones, the first.

    All strings of `known` are different, and there is at least one.
    """
    places = {piece: place for place, piece in enumerate(strings)}
    nearest_places = np.array([places.get(piece, -1) for piece in queries], dtype=np.int64)
    missing = np.flatnonzero(nearest_places < 0)
    if len(missing):
        nearest_places[missing] = _near([queries[n] for n in missing.tolist()], strings)
    return nearest_places


def _near(queries: Sequence[bytes], strings: Sequence[bytes]) -> Numbers:
    if len(queries) * len(strings) <= _ALL:
        grid = np.indices((len(queries), len(strings)), dtype=np.int64)
        return _best(queries, strings, grid[0].ravel(), grid[1].ravel())
    parts = [_neighbours(queries, strings), _one_apart(queries, strings)]
    parts.append(_neighbours([p[::-1] for p in queries], [p[::-1] for p in strings]))
    pairs = np.concatenate([part.astype(np.int64) for part in parts], 1)
    codes = np.sort(pairs[0] * len(strings) + pairs[1])
    codes = codes[np.diff(codes, prepend=-1) > 0]
    return _best(queries, strings, codes // len(strings), codes % len(strings))


def _best(
    queries: Sequence[bytes], strings: Sequence[bytes], left: Numbers, right: Numbers
) -> Numbers:
    """The nearest of each one's candidates; pairs come by `left`, then by `right`."""
    edits = levenshtein(queries, strings, left, right)
    order = np.argsort((left << 40) + (edits << 24) + right)
    first = np.diff(left[order], prepend=-1) > 0
    best: Numbers = right[order[first]]
    return best


def _neighbours(queries: Sequence[bytes], strings: Sequence[bytes]) -> Numbers:
    """Pairs [2, n] of strings that lie near each other in alphabetical order."""
    order = np.array(sorted(range(len(strings)), key=strings.__getitem__), dtype=np.int64)
    ranked = [strings[n] for n in order]
    at = np.array([bisect_left(ranked, piece) for piece in queries], dtype=np.int64)
    near = at[:, None] + np.arange(-_WINDOW, _WINDOW)
    near = order[near.clip(0, len(strings) - 1)]
    return np.stack([np.repeat(np.arange(len(queries)), 2 * _WINDOW), near.ravel()])


def _one_apart(queries: Sequence[bytes], strings: Sequence[bytes]) -> Numbers:
    """Pairs [2, n] with all that are one edit apart: equal, when one or both lack a byte."""
    ours, theirs = _shortened(queries), _shortened(strings)
    order = np.argsort(theirs[0], kind="stable")
    ranked = theirs[0][order]
    start, stop = (np.searchsorted(ranked, ours[0], side) for side in ("left", "right"))
    count = stop - start
    offset = np.arange(count.sum()) - np.repeat(count.cumsum() - count, count)
    hits = order[np.repeat(start, count) + offset]
    return np.stack([np.repeat(ours[1], count), theirs[1][hits]]).astype(np.int64)


def _shortened(pieces: Sequence[bytes]) -> tuple[NDArray[np.uint64], Numbers]:
    """Hashes of strings as they are and without each of their bytes, and whose each is."""
    lengths = np.array([len(piece) for piece in pieces], dtype=np.int64)
    whose = np.repeat(np.arange(len(pieces)), lengths)
    start = lengths.cumsum() - lengths
    place = np.arange(len(whose)) - start[whose]
    powers = np.cumprod(np.full(lengths.max(initial=1), np.uint64(_FACTOR)), dtype=np.uint64)
    letters = np.frombuffer(b"".join(pieces), dtype=np.uint8)
    terms = (letters.astype(np.uint64) + np.uint64(1)) * powers[place]
    sums = np.concatenate([np.zeros(1, np.uint64), terms.cumsum()])
    whole = sums[start + lengths] - sums[start]
    before = sums[:-1] - sums[start][whose]
    inverse = np.uint64(pow(_FACTOR, -1, 1 << 64))
    without = before + (whole[whose] - before - terms) * inverse
    return np.concatenate([whole, without]), np.concatenate([np.arange(len(pieces)), whose])


def levenshtein(
    queries: Sequence[bytes], strings: Sequence[bytes], left: Numbers, right: Numbers
) -> Numbers:
    """Edits [n] that make `asked[left[n]]` of `known[right[n]]`."""
    edits = np.empty(len(left), dtype=np.int64)
    for start in range(0, len(left), _BLOCK):
        block = slice(start, start + _BLOCK)
        edits[block] = cpdist(
            [queries[n] for n in left[block].tolist()],
            [strings[n] for n in right[block].tolist()],
            scorer=Levenshtein.distance,
        )
    return edits
