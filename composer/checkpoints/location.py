"""Where the files of a model lie: in a folder that a recipe names, or in the cache of a hub."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from composer.checkpoints.gguf import folder_of, gguf_in, is_packed, original_of
from composer.specs.headers import has_weights
from composer.values.errors import ModelError

__all__ = ["HUB_ID", "Stored", "key_of", "locate", "names_of"]

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
"""The form of a model's id on a hub."""


class Stored:
    """A declared model whose files lie in a folder or on a hub, as its option `path` says."""

    if TYPE_CHECKING:  # options of the declaration
        path: str
        revision: str | None

    @property
    def aliases(self) -> tuple[str, ...]:
        """The path, and its last part."""
        return names_of(self.path)

    @property
    def folder(self) -> Path | None:
        """Where the model lies on this machine, None for one that is still on the hub."""
        return locate(self.path, self.revision)

    @property
    def key(self) -> str:
        """The folder itself, or for a model of a hub its id and the commit, where it is known."""
        return key_of(self.path, self.revision, self.folder)

    @property
    def absence(self) -> str:
        """What is said of a model that is still on the hub, behind its name."""
        return (
            f"is not on this machine (`{self.path}`), so it cannot be checked before it is "
            "downloaded"
        )


def names_of(path: str) -> tuple[str, ...]:
    """Return the last part of a path, and the path."""
    return tuple(dict.fromkeys((path.rstrip("/").rpartition("/")[2], path)))


def key_of(path: str, revision: str | None, folder: Path | None) -> str:
    """Name what lies at a path: the folder, or the id and the commit, where it is known."""
    if folder is None:
        return f"{path}@{revision or 'main'}"
    hub = HUB_ID.fullmatch(path) and folder.parent.name == "snapshots"
    if hub:
        return f"{path}@{folder.name}"
    return str(original_of(folder) if is_packed(folder) else folder.resolve())


def locate(path: str, revision: str | None = None, config: str = "config.json") -> Path | None:
    """Find the folder of a model, here or in the hub's cache; None when it must be downloaded.

    `config` is the file that it must have. A folder of our own stands for a GGUF file.
    """
    folder = Path(os.path.expanduser(path))  # noqa: PTH111 - Path's own raises for an unknown user
    if os.path.isdir(folder):  # noqa: PTH112 - pathlib raises for a name that is too long
        packed = gguf_in(folder) if config == "config.json" else None
        return folder if packed is None else folder_of(packed)
    if os.path.isfile(folder):  # noqa: PTH113
        if folder.suffix == ".gguf" and config == "config.json":
            return folder_of(folder)
        raise ModelError("E505", f"`{path}` is a file", f"give the folder that contains {config}")
    if folder.suffix == ".gguf":
        help_ = "give a path that starts at the folder of the recipe, of a file that is here"
        raise ModelError("E501", f"there is no file `{path}`", help_)
    if not HUB_ID.fullmatch(path):
        raise ModelError(
            "E501",
            f"there is no folder `{path}`",
            "give a path that starts at the folder of the recipe, or the id of a model on a hub",
        )
    return _cached(path, revision, config)


def _cached(hub_id: str, revision: str | None, config: str) -> Path | None:
    """The snapshot of a hub model, if all of it is on this machine; asks no network."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        cached = try_to_load_from_cache(hub_id, config, revision=revision)
    except HFValidationError as problem:
        raise ModelError(
            "E501", f"`{hub_id}` is neither a folder nor the id of a model on a hub"
        ) from problem
    folder = Path(cached).parent if isinstance(cached, str) else None
    return folder if folder is not None and has_weights(folder) else None
