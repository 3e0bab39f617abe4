"""The tokenizer of a model behind a server, in a folder of this machine or from a hub."""

from __future__ import annotations

import os
from pathlib import Path

from composer.checkpoints.location import HUB_ID
from composer.specs.content import OF_TOKENIZER, file_digest, json_digest
from composer.specs.declaration import Weights
from composer.values.errors import ModelError

__all__ = ["digest_of", "fetched_tokenizer", "tokenizer_folder"]

FILE = "tokenizer.json"


def tokenizer_folder(path: str) -> Path | None:
    """Find the folder of a tokenizer, here or in the hub's cache; None where it is on the hub."""
    folder = Path(os.path.expanduser(path))  # noqa: PTH111 - Path's own raises for an unknown user
    if os.path.isdir(folder):  # noqa: PTH112 - pathlib raises for a name that is too long
        if not (folder / FILE).is_file():
            raise ModelError(
                "E505", f"`{path}` has no {FILE}", "give a folder that `save_pretrained` wrote"
            )
        return folder
    if not HUB_ID.fullmatch(path):
        raise ModelError(
            "E501",
            f"there is no folder `{path}` of a tokenizer",
            "give a path that starts at the folder of the recipe, or the id of a model on a hub",
        )
    from huggingface_hub import try_to_load_from_cache

    cached = try_to_load_from_cache(path, FILE)
    return Path(cached).parent if isinstance(cached, str) else None


def fetched_tokenizer(hub_id: str, name: str) -> Path:
    """Download the files of a tokenizer from the hub; raises ModelError (E505)."""
    from composer.engine.weights.fetching import fetched
    from composer.engine.weights.loading import refused

    weights = Weights(hub_id, hub_id)
    try:
        return fetched(weights, OF_TOKENIZER)
    except Exception as error:
        raise refused(f"the tokenizer of {name}", weights, error) from error


def digest_of(folder: Path) -> str:
    """Return a digest of the files of a tokenizer; weights beside them do not matter."""
    files = sorted(
        {path for pattern in OF_TOKENIZER for path in folder.glob(pattern) if path.is_file()}
    )
    return json_digest([[path.relative_to(folder).as_posix(), file_digest(path)] for path in files])
