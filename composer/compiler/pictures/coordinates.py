"""Where each place of a layer lies across the layers: near what it is joined to, never overlapping.

The nearest places that keep their order and their distances are a regression under order, which
pooling neighbours solves exactly in one pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.compiler.pictures.layers import Layers

ROUNDS = 8
"""How often all layers are moved towards their neighbours, forwards and backwards."""

SETTLE = 4
"""How often they are moved towards both sides at once, in the end."""

LONE = 8.0
"""How a line resists a bend that is the only one of both its ends."""

BEND = 16.0
"""Bends that are smaller than this are taken out of lone lines, where there is room."""

STIFF = (1.0, 3.0, 16.0)
"""How a line resists a bend: between two boxes, between a box and a trunk, within a trunk."""


def coordinates(
    layers: Layers, rows: list[list[int]], sizes: Sequence[float], gap: float
) -> list[float]:
    """Return the middle of each place across the layers, from 0 on."""
    return _Coordinates(layers, rows, sizes, gap).run()


@dataclass(eq=False)
class _Coordinates:
    layers: Layers
    rows: list[list[int]]
    sizes: Sequence[float]
    gap: float

    def __post_init__(self) -> None:
        self.before, self.after = self.layers.neighbours()
        self.middle = [0.0] * len(self.layers.layer)
        for row in self.rows:
            offsets = self._offsets(row)
            half = offsets[-1] / 2
            for place, offset in zip(row, offsets, strict=True):
                self.middle[place] = offset - half

    def run(self) -> list[float]:
        """Move the layers to and fro, then towards both sides; begin at 0."""
        for _ in range(self.layers.effort(ROUNDS)):
            for row in self.rows:
                self._move(row, (self.before,))
            for row in reversed(self.rows):
                self._move(row, (self.after,))
        for _ in range(self.layers.effort(SETTLE)):
            for row in (*self.rows, *reversed(self.rows)):
                self._move(row, (self.before, self.after))
        for row in self.rows:
            self._straighten(row, self.before, self.after)
        for row in reversed(self.rows):
            self._straighten(row, self.after, self.before)
        first = min(m - size / 2 for m, size in zip(self.middle, self.sizes, strict=True))
        return [middle - first for middle in self.middle]

    def _move(self, row: list[int], sides: tuple[list[list[int]], ...]) -> None:
        offsets = self._offsets(row)
        goals, weights = [], []
        for place, offset in zip(row, offsets, strict=True):
            goal, weight = self._goal(place, sides)
            goals.append(goal - offset)
            weights.append(weight)
        for place, offset, offset_goal in zip(row, offsets, _rising(goals, weights), strict=True):
            self.middle[place] = offset_goal + offset

    def _straighten(self, row: list[int], side: list[list[int]], back: list[list[int]]) -> None:
        """Take small bends out of lines that are the only ones of both their ends."""
        for at, place in enumerate(row):
            beside = side[place]
            if len(beside) == 1 == len(back[beside[0]]):
                goal = self.middle[beside[0]]
                if abs(goal - self.middle[place]) < BEND and self._fits(row, at, goal):
                    self.middle[place] = goal

    def _fits(self, row: list[int], at: int, goal: float) -> bool:
        """Say whether a place could lie there without coming too close to those beside it."""
        beside = [*row[max(0, at - 1) : at], *row[at + 1 : at + 2]]
        return all(
            abs(goal - self.middle[neighbour]) >= self._apart(row[at], neighbour)
            and (goal < self.middle[neighbour]) == (self.middle[row[at]] < self.middle[neighbour])
            for neighbour in beside
        )

    def _goal(self, place: int, sides: tuple[list[list[int]], ...]) -> tuple[float, float]:
        """Return where a place is drawn to, and how strongly."""
        total = pull = 0.0
        for side in sides:
            for neighbour in side[place]:
                strength = self._stiffness(place, neighbour)
                total += strength * self.middle[neighbour]
                pull += strength
        return (total / pull, pull) if pull else (self.middle[place], 0.1)

    def _stiffness(self, first_place: int, second_place: int) -> float:
        """Return how a line between two places resists a bend."""
        trunks = (first_place >= self.layers.boxes) + (second_place >= self.layers.boxes)
        first, last = sorted((first_place, second_place), key=self.layers.layer.__getitem__)
        lone = len(self.after[first]) == 1 == len(self.before[last])
        return max(STIFF[trunks], LONE * lone)

    def _offsets(self, row: list[int]) -> list[float]:
        """Return how far each place of a layer lies at least from the first one."""
        offsets = [0.0]
        for left, right in pairwise(row):
            offsets.append(offsets[-1] + self._apart(left, right))
        return offsets

    def _apart(self, left: int, right: int) -> float:
        return (self.sizes[left] + self.sizes[right]) / 2 + self.gap


def _rising(goals: list[float], weights: list[float]) -> list[float]:
    """Return the never falling numbers that are nearest to those that are wanted."""
    blocks: list[tuple[float, float, int]] = []
    for goal, weight in zip(goals, weights, strict=True):
        block = (goal, weight, 1)
        while blocks and blocks[-1][0] > block[0]:
            before = blocks.pop()
            total = before[1] + block[1]
            mean = (before[0] * before[1] + block[0] * block[1]) / total
            block = (mean, total, before[2] + block[2])
        blocks.append(block)
    return [mean for mean, _, count in blocks for _ in range(count)]
