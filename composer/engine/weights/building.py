"""Building models that are derived from others: a checkpoint in the user's cache, by content.

A checkpoint is written tensor by tensor into a folder of its own, which is moved to its place when
it is whole, by one process at a time. A build that was killed goes on with the files of weights
that it finished. What is there is read again only if it is still what was written.
"""

from __future__ import annotations

from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import partial
from threading import Thread
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from composer.checkpoints.fingerprint import fingerprint
from composer.diagnostics.caches import MERGED, NAMES, cache_folder
from composer.diagnostics.progress import Progress
from composer.engine.weights.donors import Donor
from composer.engine.weights.merging import construct_merge
from composer.engine.weights.mixing import construct_mixture
from composer.engine.weights.placing import unfinished
from composer.engine.weights.room import make_room, used
from composer.engine.weights.stacking import construct_stack
from composer.engine.weights.writing import SHARD, Construction, write
from composer.specs import Derived, Distilled, Merge, Mixture, SpecError, Stack, TunedReward
from composer.specs.content import folder_digest, json_digest, stamps
from composer.specs.digest import digest
from composer.specs.headers import read_json, tensors_of
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from composer.engine.weights.tensors import Tensors
    from composer.specs import Checkpoint, Weights

__all__ = [
    "BUILDERS",
    "TRAINED",
    "Build",
    "build",
    "build_in_cache",
    "built",
    "content_of",
    "export",
    "opened",
]

WHOLE = ".built"
"""The file of a built checkpoint that holds the digest of what it is made of, and of its files."""

TRAINED = "trained"
"""The folder of trained models in the user's cache. Nothing is removed there to make room."""


def _copied(model: Derived, donors: Sequence[Tensors]) -> Construction:
    """Return a checkpoint as it is: a trained model is written by its training."""
    del model
    return Construction(donors[0].folder, donors[0].headers, donors[0].read)


BUILDERS: dict[type[Derived], Callable[[Any, Sequence[Tensors]], Construction]] = {
    Merge: construct_merge,
    Mixture: construct_mixture,
    Stack: construct_stack,
    Distilled: _copied,
    TunedReward: _copied,
}
"""What makes a checkpoint of each kind of derived models, from its open donors."""

if TYPE_CHECKING:
    Make = Callable[[Sequence[Donor], Path], None]
    """Writes a checkpoint into a folder, in which it may have begun."""


@dataclass(frozen=True, slots=True)
class Build:
    """A derived model that was built: its folder, and whether it was written just now."""

    folder: Path
    new: bool


class Digests:
    """The digests of donors' files, each computed in a thread of its own.

    Such a thread does not keep the program from ending, where the digests are not needed after all.
    """

    def __init__(self, donors: Sequence[Donor]) -> None:
        self._donors = donors
        self._threads = [Thread(target=_warm, args=(each,), daemon=True) for each in donors]
        for thread in self._threads:
            thread.start()

    def all(self) -> list[str]:
        """Return the digests; raises ModelError for a file that cannot be read."""
        for thread in self._threads:
            thread.join()
        return [each.digest for each in self._donors]


def _warm(donor: Donor) -> None:
    """Compute a digest, which is remembered; what goes wrong is said where it is asked for."""
    with suppress(ModelError):
        _ = donor.digest


def opened(model: Checkpoint) -> Weights:
    """Return where the weights of a model lie; those of a derived one are built if need be."""
    weights = model.weights
    if not isinstance(model, Derived):
        return weights
    return replace(weights, location=str(built(model)))


def built(model: Derived) -> Path:
    """Return the folder of a derived model in the cache, built now unless it was before."""
    return build_in_cache(model).folder


def build_in_cache(model: Derived, train: Make | None = None) -> Build:
    """Return a derived model in the cache, built now unless it was before.

    Raises ModelError for a trained one that is not there (E513), unless it is told how to `train`.
    """
    donors = donors_of(model)
    try:
        entry = cache_folder() / (TRAINED if model.trained else NAMES[MERGED])
        entry /= content_of(model, donors)
        entry.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(entry.with_suffix(".lock")):
            whole = _is_whole(entry, entry.name)
            if not whole:
                _build(_maker(model, train), donors, entry)
            used(entry)
        if not whole and not model.trained:
            make_room(entry.parent)
    except OSError as error:
        text = f"{model.name} cannot be built in the cache folder: {error.strerror or error}"
        raise ModelError(
            "E505", text, "free some space there, or set XDG_CACHE_HOME to another folder"
        ) from error
    return Build(entry, not whole)


def export(
    model: Derived, folder: Path, readme: Callable[[Sequence[str]], str], shard: int = SHARD
) -> Build:
    """Write a derived model into a folder that is new or empty, unless this very model is in it.

    `readme` writes its README.md, given the digests of the donors; `shard` is how many bytes a file
    of weights may have. Raises ModelError where something else is in the folder (E512).
    """
    donors = donors_of(model)
    digests = Digests(donors)  # read while the build reads the same files
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _lock(folder):
            if _is_empty(folder):
                _export(model, donors, folder, digests, readme, shard)
                return Build(folder, new=True)
            if _is_whole(folder, content_of(model, donors)):
                return Build(folder, new=False)
    except OSError as error:
        text = f"{model.name} cannot be built in {folder}: {error.strerror or error}"
        raise ModelError("E505", text, "free some space there, or give another folder") from error
    text = f"`{folder}` is there already, and is not what would be built"
    raise ModelError("E512", text, "give another folder, or remove this one")


def _export(  # noqa: PLR0913 - what is written, and how
    model: Derived,
    donors: Sequence[Donor],
    folder: Path,
    digests: Digests,
    readme: Callable[[Sequence[str]], str],
    shard: int,
) -> None:
    """Write a model into a folder, with its card."""
    now = [[str(part.resolve()), stamps(part)] for donor in donors for part in donor.folders]
    with unfinished(folder, digest([model.word, model.making, now, model.dtype, shard])) as part:
        build(model, donors, part, shard)
        (part / "README.md").write_text(readme(digests.all()), encoding="utf-8")
        (part / WHOLE).write_text(_mark(part, content_of(model, donors)), encoding="ascii")


def _lock(folder: Path) -> FileLock:
    """Return the lock of a folder that is written, which leaves nothing beside it."""
    locks = cache_folder() / NAMES[MERGED]
    locks.mkdir(parents=True, exist_ok=True)
    return FileLock(locks / f"{json_digest(str(folder.resolve()))}.lock")


def _is_empty(folder: Path) -> bool:
    """Say whether a folder is not there, or nothing is in it."""
    if folder.is_dir():
        return not any(folder.iterdir())
    return not folder.exists() and not folder.is_symlink()


def donors_of(model: Derived) -> list[Donor]:
    """Return where a model's donors lie, those that are derived themselves built first."""
    return [Donor.of(opened(donor)) for donor in model.sources]


def build(model: Derived, donors: Sequence[Donor], folder: Path, shard: int = SHARD) -> None:
    """Write a derived model into a folder, in which an earlier build of it may have begun.

    A trained one is copied from the cache.
    """
    donors = [Donor(build_in_cache(model).folder)] if model.trained else donors
    _check(model, donors)
    with ExitStack() as files:
        sources = [files.enter_context(donor.open()) for donor in donors]
        made = BUILDERS[type(model)](model, sources)
        size = sum(each.bytes for each in made.headers.values())
        write(folder, made, model.dtype, shard, Progress(f"building {model.name}", size).add)


def _maker(model: Derived, train: Make | None) -> Make:
    """Return what builds a model; raises ModelError (E513) where it is to be trained first."""
    if not model.trained:
        return partial(build, model)
    if train is not None:
        return train
    text = f"{model.name} is not trained yet"
    raise ModelError("E513", text, "train it first: `compose build` with the same recipe")


def content_of(model: Derived, donors: Sequence[Donor]) -> str:
    """Return the digest of all that a model is made of."""
    contents = Digests(donors).all()
    return digest([model.word, model.making, contents, model.dtype])


def _is_whole(entry: Path, content: str) -> bool:
    """Say whether a folder is there and holds what was written, made of this content."""
    mark = entry / WHOLE
    return mark.is_file() and mark.read_text("ascii", "replace") == _mark(entry, content)


def _mark(entry: Path, content: str) -> str:
    return f"{content} {folder_digest(entry)}\n"


def _build(make: Make, donors: Sequence[Donor], entry: Path) -> None:
    """Write a checkpoint to its place in the cache, of which its content is the name."""
    with unfinished(entry, entry.name) as folder:
        make(donors, folder)
        (folder / WHOLE).write_text(_mark(folder, entry.name), encoding="ascii")


def _check(model: Derived, donors: Sequence[Donor]) -> None:
    """Refuse donors that turn out to be unlike, or whose numbers are not the weights."""
    folders = [donor.folder for donor in donors]
    tensors, names = [tensors_of(donor) for donor in folders], model.labels[: len(folders)]
    problems = list(model.mismatches(tensors, list(map(_vocabulary, folders))))
    if problems:
        raise SpecError(problems)
    for name, folder in zip(names, folders, strict=True):
        if "quantization_config" in read_json(folder / "config.json"):
            text = f"{name} is quantized, and quantized weights cannot be merged"
            raise ModelError("E505", text, "merge the checkpoint that it was quantized from")


def _vocabulary(folder: Path) -> str | None:
    return fingerprint(folder) if (folder / "tokenizer.json").is_file() else None
