"""Where the files of a checkpoint lie: in a folder, or downloaded from a hub."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from composer.quiet import quiet
from composer.specs.content import RELEVANT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.specs import Weights

__all__ = ["fetched"]


def fetched(weights: Weights, files: Sequence[str] = RELEVANT) -> Path:
    """Return the folder of a checkpoint; if it is on a hub, these files are downloaded."""
    if weights.local:
        return Path(weights.location)
    from huggingface_hub import snapshot_download
    from huggingface_hub.utils.tqdm import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    where, revision = weights.location, weights.revision
    shown = not are_progress_bars_disabled()
    try:
        with quiet():
            disable_progress_bars()
            folder = snapshot_download(where, revision=revision, allow_patterns=list(files))
    finally:
        if shown:  # to others, as before
            enable_progress_bars()
    return Path(folder)
