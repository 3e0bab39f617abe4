"""A lock: what the models and data files of a plan were, by content, when it was written.

It lies beside the recipe as `NAME.ens.lock`. A run beside a lock refuses whatever has changed
since: weights, tokenizers, the revision of a model on a hub, and the files that parts are fitted
on.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from composer.compiler.graph import topological
from composer.compiler.plan.option_text import declared_text
from composer.diagnostics import Diagnostic, Mistakes
from composer.diagnostics.secrets import starred
from composer.specs.content import file_digest
from composer.values.errors import ModelError
from composer.values.typed import file_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from composer.backends import Declaration
    from composer.compiler.graph import Node

VERSION = 1
SUFFIX = ".lock"


class PinnedModel(BaseModel):
    """A model as it was: how it was declared, and digests of its weights and its tokenizer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    declared: str
    content: str
    vocabulary: str | None


class Lock(BaseModel):
    """Everything that a lock pins. Files go by their paths from the recipe's folder.

    `timings` is the digest of the saved timings by which the plan chose, if it chose by any. Other
    timings are not refused: they belong to a machine, and change no answer.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = VERSION
    models: dict[str, PinnedModel]
    files: dict[str, str]
    timings: str = ""

    def text(self) -> str:
        """Write it for a file; without timings where there are none."""
        return self.model_dump_json(indent=2, exclude=set() if self.timings else {"timings"}) + "\n"


def lock_path(recipe: Path) -> Path:
    """Return where a recipe's lock lies."""
    return recipe.with_name(recipe.name + SUFFIX)


def lock_of(root: Node, folder: Path, timings: str = "") -> Lock:
    """Read the models and files under a node, and return what pins them, beside its timings.

    Raises Mistakes where a model's folder cannot be read any more.
    """
    try:
        return _lock_of(root, folder).model_copy(update={"timings": timings})
    except ModelError as error:
        raise Mistakes([error.diagnostic()]) from error


def _lock_of(root: Node, folder: Path) -> Lock:
    models: dict[str, PinnedModel] = {}
    files: dict[str, str] = {}
    for node in topological(root):
        declaration = node.declaration
        if declaration is not None:
            models[node.title] = PinnedModel(
                declared=_declared(declaration, folder),
                content=_content(declaration),
                vocabulary=declaration.card().vocabulary,
            )
        for path in _files(node.options):
            files[_from(path, folder)] = file_digest(path)
    return Lock(models=models, files=dict(sorted(files.items())))


def _declared(declaration: Declaration, folder: Path) -> str:
    """Write a declaration with its paths from a folder, so that a lock holds on any machine."""
    text = declared_text(declaration)
    for name in type(declaration).model_fields:
        value = getattr(declaration, name)
        if isinstance(value, str) and Path(value).is_absolute():
            text = text.replace(value, _from(value, folder))
    return text


def _content(declaration: Declaration) -> str:
    """Return what pins a model: its content, or a digest of it where it holds a secret."""
    content = declaration.content()
    if starred(content) == content:
        return content
    return f"sha256:{hashlib.sha256(content.encode()).hexdigest()}"


def read_lock(path: Path) -> Lock:
    """Read a lock; raises Mistakes if it is none."""
    try:
        return Lock.model_validate_json(path.read_bytes())
    except (ValidationError, ValueError, OSError):
        text = f"{path} is not a lock, or was written by another version"
        help_ = "write it again: `compose plan RECIPE --lock`"
        raise Mistakes([Diagnostic("E504", text, help=help_)]) from None


def check_lock(lock: Lock, root: Node, folder: Path) -> None:
    """Raise Mistakes (E506) with everything that differs from a lock."""
    now = lock_of(root, folder)
    changed = [*_models(lock, now), *_changed_files(lock, now)]
    if changed:
        raise Mistakes(changed)


def _models(lock: Lock, now: Lock) -> Iterator[Diagnostic]:
    for name, pin in now.models.items():
        before = lock.models.get(name)
        if before is None:
            yield _differs(f"the model `{name}` is not in the lock")
        elif before.content != pin.content:
            yield _differs(f"the model `{name}` has changed since the lock: {_what(before, pin)}")


def _what(before: PinnedModel, pin: PinnedModel) -> str:
    if before.declared != pin.declared:
        return f"{before.declared} is now {pin.declared}"
    if before.vocabulary != pin.vocabulary:
        return "its tokenizer is different"
    return "its weights or configuration are different"


def _changed_files(lock: Lock, now: Lock) -> Iterator[Diagnostic]:
    for path, digest in now.files.items():
        if path not in lock.files:
            yield _differs(f"the file `{path}` is not in the lock")
        elif lock.files[path] != digest:
            yield _differs(f"the file `{path}` has changed since the lock")


def _differs(text: str) -> Diagnostic:
    help_ = "restore it, or accept the change: `compose plan RECIPE --lock`"
    return Diagnostic("E506", text, help=help_)


def _files(values: object) -> Iterator[str]:
    """Yield the files that option values name, parts inside parts included."""
    todo = [values]
    while todo:
        value = todo.pop()
        if isinstance(value, BaseModel):
            for name in type(value).model_fields:
                path = file_of(value, name)
                if path is None:
                    todo.append(getattr(value, name))
                else:
                    yield path
        elif isinstance(value, str | bytes):
            continue
        elif hasattr(value, "__iter__"):
            todo.extend(value)


def _from(path: str, folder: Path) -> str:
    """Write a path from a folder, as long as it lies near it."""
    try:
        return Path(path).relative_to(folder.resolve()).as_posix()
    except ValueError:
        return Path(path).name
