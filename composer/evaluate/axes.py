"""Which values `compose tune` tries: the axes of a search, and the points on them."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

from composer.heavy import np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Axis", "axis_of", "candidates"]

Settings = dict[str, str]
"""Values by the names that `--set` takes, in the notation of recipes."""

LOG = "log:"
NUMBER = r"([+-]?[\d.]+(?:[eE][+-]?\d+)?)"
SPAN = re.compile(rf"{NUMBER}\s*(?:-|\u2013|:|to)\s*{NUMBER}")
"""Two numbers that look like the ends of a range."""

GRID_AXES = 2
"""So many axes are searched on a grid; more are sampled."""

DIGITS = 4
"""Digits of a number between two ends."""


@dataclass(frozen=True)
class Axis:
    """One name that is varied: over a list of `values`, or between two numbers.

    `whole` says that only whole numbers are tried, `log` that steps are ratios.
    """

    name: str
    values: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 0.0
    whole: bool = False
    log: bool = False

    @property
    def size(self) -> float:
        """How many values there are, infinity for a range of numbers."""
        if self.values:
            return len(self.values)
        return self.high - self.low + 1 if self.whole else math.inf

    @property
    def ends(self) -> tuple[str, ...]:
        """Values that show whether the axis is possible: all of a list, both ends of a range."""
        return self.values or (self.at(0.0), self.at(1.0))

    def at(self, share: float) -> str:
        """Return the value at a share of the axis, from 0 to 1."""
        if self.values:
            return self.values[min(int(share * len(self.values)), len(self.values) - 1)]
        if self.log:
            value = self.low * (self.high / self.low) ** share
        else:
            value = self.low + (self.high - self.low) * share
        if self.whole:
            return str(round(value))
        return repr(float(f"{value:.{DIGITS}g}"))

    def grid(self, count: int) -> list[str]:
        """Return at most so many values, evenly spread."""
        steps = min(count, int(self.size)) if math.isfinite(self.size) else count
        if self.values:
            return list(self.values)
        shares = [step / max(steps - 1, 1) for step in range(steps)]
        return list(dict.fromkeys(map(self.at, shares)))


def axis_of(text: str) -> Axis:
    """Read `NAME=LOW..HIGH`, `NAME=log:LOW..HIGH` or `NAME=A,B,C`; raises ValueError."""
    name, sign, values = (part.strip() for part in text.partition("="))
    if not sign or not name or not values:
        raise ValueError(f"write NAME=LOW..HIGH or NAME=A,B,C, not {text!r}")
    if ".." not in values:
        return _listed(name, values)
    log = values.startswith(LOG)
    low_text, _, high_text = values.removeprefix(LOG).partition("..")
    low, high = (_number(end, text) for end in (low_text, high_text))
    if low >= high:
        raise ValueError(f"the range `{values}` is empty: write the smaller number first")
    if log and low <= 0:
        raise ValueError(f"a range with `{LOG}` begins above 0, not at {low_text}")
    whole = all(end.strip().lstrip("+-").isdigit() for end in (low_text, high_text))
    return Axis(name, low=low, high=high, whole=whole, log=log)


def _listed(name: str, text: str) -> Axis:
    """Cut a list at its commas, but for those inside of brackets and quotes."""
    values, depth, quoted, start = [], 0, False, 0
    for at, sign in enumerate(text):
        quoted ^= sign == '"'
        depth += (not quoted) * ((sign in "([") - (sign in ")]"))
        if sign == "," and not depth and not quoted:
            values.append(text[start:at].strip())
            start = at + 1
    values.append(text[start:].strip())
    if not all(values):
        raise ValueError(f"a value of `{name}` is empty: write values with commas between them")
    if len(set(values)) < 2:  # noqa: PLR2004 - one value varies nothing
        if ends := SPAN.fullmatch(text):
            raise ValueError(f"`{text}` is no range: did you mean `{name}={ends[1]}..{ends[2]}`?")
        raise ValueError(f"`{name}` has one value only: use `--set {name}={text}`")
    return Axis(name, tuple(dict.fromkeys(values)))


def _number(text: str, whole: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"the ends of a range are numbers, as in `doubt=0.3..0.9`, not {whole!r}")
    return value


def candidates(axes: Sequence[Axis], trials: int, seed: int) -> list[Settings]:
    """Return the settings to try: a grid of one or two axes, else a Latin hypercube.

    The hypercube of McKay and others (1979) tries every part of every axis. It is drawn by the
    seed.
    """
    names = [axis.name for axis in axes]
    everything = math.prod(axis.size for axis in axes)
    points: list[tuple[str, ...]] = []
    if everything <= trials or len(axes) <= GRID_AXES:
        points = list(product(*_grids(axes, trials, everything)))
    if not points or len(points) > trials:  # many axes, or lists that are longer than the trials
        points = list(dict.fromkeys(_hypercube(axes, trials, seed)))
    return [dict(zip(names, point, strict=True)) for point in points]


def _grids(axes: Sequence[Axis], trials: int, everything: float) -> list[list[str]]:
    """Share the trials out over the axes; a short axis leaves more to the other one."""
    if everything <= trials:
        return [axis.grid(trials) for axis in axes]
    grids: dict[int, list[str]] = {}
    left = trials
    for done, at in enumerate(sorted(range(len(axes)), key=lambda at: axes[at].size)):
        count = max(1, int(round(left ** (1 / (len(axes) - done)), 9)))
        grids[at] = axes[at].grid(count)
        left = max(1, left // len(grids[at]))
    return [grids[at] for at in range(len(axes))]


def _hypercube(axes: Sequence[Axis], trials: int, seed: int) -> Iterator[tuple[str, ...]]:
    rng = np.random.default_rng(seed)
    shares = [(rng.permutation(trials) + rng.random(trials)) / trials for _ in axes]
    for point in zip(*shares, strict=True):
        yield tuple(axis.at(float(share)) for axis, share in zip(axes, point, strict=True))
