"""The name that was probably meant, for `did you mean`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

SHOWN = 12
"""How many words `did_you_mean` lists before it stops."""

SHORTEST_PREFIX = 3
"""A beginning or an end counts as near from this many letters on."""


MEANT = re.compile(r"did you mean `([^`]+)`\?")

SPELLED, SWAPPED, CUT_OFF = 0.02, 0.2, 0.3
"""How far apart words count that differ in underscores, in the order of two letters, or in how
much of the word was written."""


def nearest(word: str, among: Iterable[str], cutoff: float = 0.34) -> str | None:
    """Give the candidate that the word is most likely a slip of, if any is near enough.

    The cutoff is the share of letters that may differ.
    """
    scored = [
        (_distance(word, candidate), candidate)
        for candidate in sorted(set(among))
        if candidate != word
    ]
    closest = min(scored, default=None)
    return closest[1] if closest and closest[0] <= cutoff else None


def did_you_mean(word: str, among: Iterable[str], *, keep_order: bool = False) -> str:
    """Say which candidate was probably meant, or list them when none is near.

    The list is sorted, or with `keep_order` as given, the most common first.
    """
    words = [candidate for candidate in dict.fromkeys(among) if candidate != word]
    words = words if keep_order else sorted(words)
    near = nearest(word, words)
    if near:
        return f"did you mean `{near}`?"
    if not words:
        return ""
    listed = ", ".join(f"`{candidate}`" for candidate in words[:SHOWN])
    rest = f" and {len(words) - SHOWN} more" if len(words) > SHOWN else ""
    return f"one of: {listed}{rest}" if len(words) > 1 else f"the only one is {listed}"


def meant(advice: str) -> str | None:
    """Return the candidate that advice by `did_you_mean` names, if it settles on one."""
    match = MEANT.search(advice)
    return match[1] if match else None


def _distance(word: str, candidate: str) -> float:
    """Give the share of letters that differ; a slip of case or a cut-off word counts little."""
    from rapidfuzz.distance import OSA

    if word.lower() == candidate.lower():
        return 0.0
    short, long = sorted((_plain(word), _plain(candidate)), key=len)
    if short == long:
        return SPELLED
    if len(short) >= SHORTEST_PREFIX and (long.startswith(short) or long.endswith(short)):
        return CUT_OFF
    if len(long) > 2 * len(short):
        return 1.0
    edits = OSA.distance(short, long)
    swapped = edits == 1 and sorted(short) == sorted(long)
    return SWAPPED if swapped else edits / len(long)


def _plain(word: str) -> str:
    return word.lower().replace("_", "").replace("-", "")
