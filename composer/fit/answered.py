"""What choices came to when they were asked for a fit, kept so that fitting again asks nobody.

The answers of `composer.run.cache` do not say what they cost, and a label needs that too: so
quality, dollars and tokens are kept together, by all that they depend on.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from composer.atomic import write_atomically
from composer.diagnostics.caches import PACKAGE_VERSION, cache_folder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from composer.evaluate import Compare, EvaluationRow
    from composer.recipe import Recipe

Told = tuple[float | None, float, float]
"""Quality, dollars and tokens of one answer."""


def name_of(branch: Recipe, rows: Sequence[EvaluationRow], how: Compare) -> str:
    """Name the file of a branch's outcomes on some rows: named by a hash of all they depend on.

    That is the branch with its models by content and its seed, the questions with their
    references, how both are compared, and the version of the package.
    """
    asked = [[row.asked(), row.references] for row in rows]
    known = json.dumps([PACKAGE_VERSION, branch.fingerprint, how, asked], sort_keys=True)
    return f"{hashlib.sha256(known.encode()).hexdigest()}.json"


def recall(name: str) -> dict[str, Told] | None:
    """Return kept outcomes by row id, None where there are none that can be read."""
    try:
        kept = json.loads((_folder() / name).read_text(encoding="utf-8"))
        return {id_: (quality, cost, tokens) for id_, (quality, cost, tokens) in kept.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def _folder() -> Path:
    return cache_folder() / "outcomes"


def keep(name: str, told: dict[str, Told]) -> None:
    """Keep outcomes by row id; where nothing can be written, they are asked for again."""
    try:
        place = _folder() / name
        place.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(place, json.dumps(told).encode())
    except OSError:
        return
