"""The order within layers that makes lines cross seldom: barycentres, swept to and fro."""

from __future__ import annotations

from bisect import bisect_right, insort
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from composer.compiler.pictures.layers import Layers

SWEEPS = 10
"""How often all layers are ordered anew; the best of all orders is kept."""

PATIENCE = 3
"""Sweeps without a better order after which no more are made."""


def order_layers(layers: Layers) -> list[list[int]]:
    """Return the places of each layer in an order with few crossings."""
    before, after = layers.neighbours()
    rows = [list(row) for row in layers.rows]
    best, fewest, waited = rows, _crossings(rows, after), 0
    for sweep in range(layers.effort(SWEEPS)):
        backwards = sweep % 2 == 0
        rows = _swept(rows, after if backwards else before, backwards=backwards)
        count = _crossings(rows, after)
        waited = 0 if count < fewest else waited + 1
        if count < fewest:
            best, fewest = rows, count
        if not fewest or waited > PATIENCE:
            break
    return best


def _swept(rows: list[list[int]], beside: list[list[int]], *, backwards: bool) -> list[list[int]]:
    """Order each layer by the mean place of what its places are joined to, layer after layer."""
    at = _places(rows)
    out = [list(row) for row in rows]
    for layer in reversed(range(len(out))) if backwards else range(len(out)):
        row = out[layer]
        keys = {place: _mean(at, beside[place], at[place]) for place in row}
        row.sort(key=keys.__getitem__)
        for index, place in enumerate(row):
            at[place] = (index + 0.5) / len(row)
    return out


def _places(rows: list[list[int]]) -> dict[int, float]:
    return {place: (index + 0.5) / len(row) for row in rows for index, place in enumerate(row)}


def _mean(at: dict[int, float], beside: list[int], default: float) -> float:
    return sum(at[place] for place in beside) / len(beside) if beside else default


def _crossings(rows: list[list[int]], after: list[list[int]]) -> int:
    """Count the pairs of lines that cross between all neighbouring layers."""
    index = {place: at for row in rows for at, place in enumerate(row)}
    return sum(
        _inversions(
            target
            for place in row
            for target in sorted(index[target_place] for target_place in after[place])
        )
        for row in rows
    )


def _inversions(numbers: Iterable[int]) -> int:
    """Count the pairs in which the larger number comes first."""
    sorted_numbers: list[int] = []
    count = 0
    for number in numbers:
        count += len(sorted_numbers) - bisect_right(sorted_numbers, number)
        insort(sorted_numbers, number)
    return count
