"""Building models that are derived from others: a checkpoint in the user's cache, by content.

A checkpoint is written tensor by tensor into a folder of its own, which is renamed when it is
whole, by one process at a time. What is there is read again only if it is still what was written.
"""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from dataclasses import dataclass, replace
from glob import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from composer.checkpoints.fingerprint import fingerprint
from composer.diagnostics.caches import MERGED, NAMES, cache_folder
from composer.engine.weights.donors import Donor
from composer.engine.weights.merging import merging
from composer.engine.weights.mixing import mixing
from composer.engine.weights.room import make_room, used
from composer.engine.weights.writing import Construction, write
from composer.specs import Derived, Merge, Mixture, SpecError
from composer.specs.content import folder_digest, json_digest
from composer.specs.derived import unlike
from composer.specs.digest import digest
from composer.specs.headers import read_json, tensors_of
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from composer.engine.weights.tensors import Tensors
    from composer.specs import Checkpoint, Weights

__all__ = ["BUILDERS", "Build", "build", "built", "cached", "export", "opened"]

WHOLE = ".built"
"""The file of a built checkpoint that holds the digest of what it is made of, and of its files."""

DIGITS = 16
"""How much of a digest is in the name of a folder that is not whole yet."""

BUILDERS: dict[type[Derived], Callable[[Any, Sequence[Tensors]], Construction]] = {
    Merge: merging,
    Mixture: mixing,
}
"""What makes a checkpoint of each kind of derived models, from its open donors."""


@dataclass(frozen=True, slots=True)
class Build:
    """A derived model that was built: its folder, and whether it was written just now."""

    folder: Path
    new: bool


def opened(model: Checkpoint) -> Weights:
    """Return where the weights of a model lie; those of a derived one are built if need be."""
    weights = model.weights
    if not isinstance(model, Derived):
        return weights
    return replace(weights, location=str(built(model)))


def built(model: Derived) -> Path:
    """Return the folder of a derived model in the cache, built now unless it was before."""
    return cached(model).folder


def cached(model: Derived) -> Build:
    """Return a derived model in the cache, built now unless it was before."""
    donors = donors_of(model)
    try:
        entry = cache_folder() / NAMES[MERGED] / _content(model, donors)
        entry.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(entry.with_suffix(".lock")):
            whole = _is_whole(entry, entry.name)
            if not whole:
                _build(model, donors, entry, entry.name)
            used(entry)
        if not whole:
            make_room(entry.parent)
    except OSError as error:
        text = f"{model.name} cannot be built in the cache folder: {error}"
        raise ModelError(
            "E505", text, "free some space there, or set XDG_CACHE_HOME to another folder"
        ) from error
    return Build(entry, not whole)


def export(model: Derived, folder: Path, readme: Callable[[Sequence[str]], str]) -> Build:
    """Write a derived model into a folder that is new or empty, unless this very model is in it.

    `readme` writes its README.md, given the digests of the donors. Raises ModelError where
    something else is in the folder (E512).
    """
    donors = donors_of(model)
    content = _content(model, donors)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _lock(folder):
            if _is_whole(folder, content):
                return Build(folder, new=False)
            _require_empty(folder)
            text = readme([donor.digest for donor in donors])
            _build(model, donors, folder, content, text)
    except OSError as error:
        text = f"{model.name} cannot be built in {folder}: {error}"
        raise ModelError("E505", text, "free some space there, or give another folder") from error
    return Build(folder, new=True)


def _lock(folder: Path) -> FileLock:
    """Return the lock of a folder that is written, which leaves nothing beside it."""
    locks = cache_folder() / NAMES[MERGED]
    locks.mkdir(parents=True, exist_ok=True)
    return FileLock(locks / f"{json_digest(str(folder.resolve()))}.lock")


def _require_empty(folder: Path) -> None:
    """Refuse a folder in which something is, or a name that is no folder's."""
    if folder.is_dir() and not any(folder.iterdir()):
        return
    if folder.exists() or folder.is_symlink():
        text = f"`{folder}` is there already, and is not what would be built"
        raise ModelError("E512", text, "give another folder, or remove this one")


def donors_of(model: Derived) -> list[Donor]:
    """Return where a model's donors lie, those that are derived themselves built first."""
    return [Donor.of(opened(donor)) for donor in model.sources]


def build(model: Derived, donors: Sequence[Donor], folder: Path) -> None:
    """Write a derived model into an empty folder."""
    _check(model, donors)
    with ExitStack() as files:
        sources = [files.enter_context(donor.open()) for donor in donors]
        write(folder, BUILDERS[type(model)](model, sources), model.dtype)


def _content(model: Derived, donors: Sequence[Donor]) -> str:
    """Return the digest of all that a model is made of."""
    contents = [donor.digest for donor in donors]
    return digest([model.word, model.making, contents, model.dtype])


def _is_whole(entry: Path, content: str) -> bool:
    """Say whether a folder is there and holds what was written, made of this content."""
    mark = entry / WHOLE
    return mark.is_file() and mark.read_text("ascii", "replace") == _mark(entry, content)


def _mark(entry: Path, content: str) -> str:
    return f"{content} {folder_digest(entry)}\n"


def _build(
    model: Derived, donors: Sequence[Donor], entry: Path, content: str, readme: str = ""
) -> None:
    """Write a checkpoint beside its place, and move it there when it is whole."""
    prefix = f".{entry.name}.{content[:DIGITS]}-"
    for leftover in entry.parent.glob(f"{escape(prefix)}*"):  # of a process that was killed
        shutil.rmtree(leftover)
    with TemporaryDirectory(prefix=prefix, dir=entry.parent) as temporary:
        folder = Path(temporary) / entry.name
        folder.mkdir()
        build(model, donors, folder)
        if readme:
            (folder / "README.md").write_text(readme, encoding="utf-8")
        (folder / WHOLE).write_text(_mark(folder, content), encoding="ascii")
        if entry.exists():
            shutil.rmtree(entry)
        folder.rename(entry)


def _check(model: Derived, donors: Sequence[Donor]) -> None:
    """Refuse donors that turn out to be unlike, or whose numbers are not the weights."""
    folders = [donor.folder for donor in donors]
    tensors = [tensors_of(donor) for donor in folders]
    problems = list(unlike(model.labels, tensors, list(map(_vocabulary, folders))))
    if problems:
        raise SpecError(problems)
    for name, folder in zip(model.labels, folders, strict=True):
        if "quantization_config" in read_json(folder / "config.json"):
            text = f"{name} is quantized, and quantized weights cannot be merged"
            raise ModelError("E505", text, "merge the checkpoint that it was quantized from")


def _vocabulary(folder: Path) -> str | None:
    return fingerprint(folder) if (folder / "tokenizer.json").is_file() else None
