"""A plot as PNG: lines, dots and letters painted on an array of pixels."""

from __future__ import annotations

import math
import struct
import zlib
from itertools import pairwise
from typing import TYPE_CHECKING

from composer.evaluate.plot.layout import HEIGHT, WIDTH, Dot, Line
from composer.evaluate.plot.letters import HIGH, written
from composer.heavy import np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from composer.evaluate.plot.layout import Label, Mark

    Floats = NDArray[np.floating]
    Point = tuple[float, float]

__all__ = ["png"]

SCALE = 2
"""Pixels in a point, and in a dot of a letter."""

DASH, GAP = 6.0, 4.0
SHARES = {"start": 0.0, "middle": 0.5, "end": 1.0}


def png(marks: Sequence[Mark]) -> bytes:
    """Paint marks on white and return the file, eight bits a channel."""
    paper = np.full((HEIGHT * SCALE, WIDTH * SCALE, 3), 255.0)
    for each in marks:
        if isinstance(each, Line):
            _line(paper, each)
        elif isinstance(each, Dot):
            _cover(paper, [(each.at, each.at)], each.radius, each.color)
        else:
            _write(paper, each)
    return _file(np.rint(paper).astype(np.uint8))


def _line(paper: Floats, line: Line) -> None:
    pieces = list(pairwise(line.points))
    dashed = list(_dashes(pieces, line.width / 2)) if line.dashed else pieces
    _cover(paper, dashed, line.width / 2, line.color)


def _dashes(pieces: Sequence[tuple[Point, Point]], radius: float) -> Iterator[tuple[Point, Point]]:
    """Cut a line into dashes, counted along all of its pieces; their round ends belong to them."""
    gone = 0.0
    for start, end in pieces:
        length = math.dist(start, end)
        for each in range(int(gone // (DASH + GAP)), int((gone + length) // (DASH + GAP)) + 1):
            left = max(each * (DASH + GAP) + radius - gone, 0.0)
            right = min(each * (DASH + GAP) + DASH - radius - gone, length)
            if left < right:
                yield _along(start, end, left / length), _along(start, end, right / length)
        gone += length


def _along(start: Point, end: Point, share: float) -> Point:
    return start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])


def _cover(paper: Floats, pieces: Sequence[tuple[Point, Point]], radius: float, color: str) -> None:
    """Paint all that lies within a radius of some pieces of line, with soft edges."""
    covered = np.zeros(paper.shape[:2], dtype=np.float32)
    reach = radius * SCALE + 1
    touched = [np.array(piece) * SCALE for piece in pieces]
    for ends in touched:
        rows, columns = _window(ends, reach)
        window = covered[rows, columns]
        if window.size:
            away = _distance(window.shape, (columns.start, rows.start), ends)
            np.maximum(window, np.clip(reach - 0.5 - away, 0, 1), out=window)
    if touched:
        all_of_it = _window(np.concatenate(touched), reach)
        _blend(paper[all_of_it], covered[all_of_it], color)


def _window(points: Floats, reach: float) -> tuple[slice, slice]:
    """The rows and columns of pixels that lie no further than `reach` around some points."""
    (left, top), (right, bottom) = points.min(axis=0) - reach, points.max(axis=0) + reach
    rows = slice(max(0, math.floor(top)), max(0, math.ceil(bottom)))
    return rows, slice(max(0, math.floor(left)), max(0, math.ceil(right)))


def _distance(shape: tuple[int, ...], corner: tuple[int, int], ends: Floats) -> Floats:
    """How far the middles of the pixels of a window lie from a piece of line."""
    ys, xs = np.mgrid[: shape[0], : shape[1]]
    pixels = np.stack([xs + corner[0] + 0.5, ys + corner[1] + 0.5], axis=-1) - ends[0]
    along = ends[1] - ends[0]
    length = float(along @ along)
    share = np.clip(pixels @ along / length, 0, 1) if length else np.zeros(shape)
    distance: Floats = np.linalg.norm(pixels - share[..., None] * along, axis=-1)
    return distance


def _write(paper: Floats, label: Label) -> None:
    dots = written(label.text)
    back = SHARES[label.anchor] * (dots.shape[1] - 1)
    x, y = label.at
    corner = (x - (HIGH - 1), y + back - dots.shape[1]) if label.upright else (x - back, y - 7)
    dots = np.rot90(dots) if label.upright else dots
    large = np.kron(dots, np.ones((SCALE, SCALE)))
    left, top = round(corner[0] * SCALE), round(corner[1] * SCALE)
    inside = large[max(0, -top) :, max(0, -left) :]
    window = paper[max(0, top) :, max(0, left) :][: inside.shape[0], : inside.shape[1]]
    _blend(window, inside[: window.shape[0], : window.shape[1]], label.color)


def _blend(paper: Floats, covered: Floats, color: str) -> None:
    """Lay a colour over a window of the paper as densely as it is covered."""
    ink = np.array([int(color[at : at + 2], 16) for at in (1, 3, 5)], dtype=float)
    paper += covered[..., None] * (ink - paper)


def _file(pixels: NDArray[np.uint8]) -> bytes:
    """Write pixels [high, wide, 3] as PNG: header, one compressed block, end (RFC 2083)."""
    high, wide, _ = pixels.shape
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", wide, high, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*each) for each in chunks)


def _chunk(kind: bytes, content: bytes) -> bytes:
    check = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)
