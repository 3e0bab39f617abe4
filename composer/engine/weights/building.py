"""Building models that are derived from others: a checkpoint in the user's cache, by content.

A checkpoint is written tensor by tensor into a folder of its own, which is renamed when it is
whole, by one process at a time. What is there is read again only if it is still what was written.
"""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from composer.checkpoints.fingerprint import fingerprint
from composer.diagnostics.caches import MERGED, NAMES, cache_folder
from composer.engine.weights.fetching import fetched
from composer.engine.weights.merging import merging
from composer.engine.weights.room import make_room, used
from composer.engine.weights.tensors import Tensors
from composer.engine.weights.writing import Construction, write
from composer.specs import Derived, Merge, SpecError
from composer.specs.content import folder_digest
from composer.specs.derived import unlike
from composer.specs.digest import digest
from composer.specs.headers import read_json, tensors_of
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from composer.specs import Checkpoint, Weights

__all__ = ["BUILDERS", "build", "built", "opened"]

WHOLE = "whole"
"""The file of a built checkpoint that holds the digest of all the others."""

BUILDERS: dict[type[Derived], Callable[[Any, Sequence[Tensors]], Construction]] = {Merge: merging}
"""What makes a checkpoint of each kind of derived models, from its open donors."""


def opened(model: Checkpoint) -> Weights:
    """Return where the weights of a model lie; those of a derived one are built if need be."""
    weights = model.weights
    return replace(weights, location=str(built(model))) if isinstance(model, Derived) else weights


def built(model: Derived) -> Path:
    """Return the folder of a derived model in the cache, built now unless it was before."""
    donors = donor_folders(model)
    content = [model.word, model.making, [folder_digest(donor) for donor in donors], model.dtype]
    name = digest(content)
    try:
        entry = cache_folder() / NAMES[MERGED] / name
        entry.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(entry.with_suffix(".lock")):
            whole = _is_whole(entry)
            if not whole:
                _build(model, donors, entry)
            used(entry)
        if not whole:
            make_room(entry.parent)
    except OSError as error:
        text = f"{model.name} cannot be built in the cache folder: {error}"
        raise ModelError(
            "E505", text, "free some space there, or set XDG_CACHE_HOME to another folder"
        ) from error
    return entry


def donor_folders(model: Derived) -> list[Path]:
    """Return the folders of a model's donors, those that are derived themselves built first."""
    return [fetched(opened(donor)) for donor in model.sources]


def build(model: Derived, donors: Sequence[Path], folder: Path) -> None:
    """Write a derived model into an empty folder."""
    _check(model, donors)
    with ExitStack() as files:
        sources = [files.enter_context(Tensors(donor)) for donor in donors]
        write(folder, BUILDERS[type(model)](model, sources), model.dtype)


def _is_whole(entry: Path) -> bool:
    """Say whether a folder is there and holds what was written."""
    mark = entry / WHOLE
    return mark.is_file() and mark.read_text("ascii", "replace") == folder_digest(entry)


def _build(model: Derived, donors: Sequence[Path], entry: Path) -> None:
    """Write a checkpoint beside its place, and move it there when it is whole."""
    for leftover in entry.parent.glob(f"{entry.name}-*"):  # of a process that was killed
        shutil.rmtree(leftover)
    with TemporaryDirectory(prefix=f"{entry.name}-", dir=entry.parent) as temporary:
        folder = Path(temporary) / entry.name
        folder.mkdir()
        build(model, donors, folder)
        (folder / WHOLE).write_text(folder_digest(folder), encoding="ascii")
        if entry.exists():
            shutil.rmtree(entry)
        folder.rename(entry)


def _check(model: Derived, donors: Sequence[Path]) -> None:
    """Refuse donors that turn out to be unlike, or whose numbers are not the weights."""
    tensors = [tensors_of(donor) for donor in donors]
    problems = list(unlike(model.labels, tensors, list(map(_vocabulary, donors))))
    if problems:
        raise SpecError(problems)
    for name, folder in zip(model.labels, donors, strict=True):
        if "quantization_config" in read_json(folder / "config.json"):
            text = f"{name} is quantized, and quantized weights cannot be merged"
            raise ModelError("E505", text, "merge the checkpoint that it was quantized from")


def _vocabulary(folder: Path) -> str | None:
    return fingerprint(folder) if (folder / "tokenizer.json").is_file() else None
