"""What must be equal in this process and in every replica: versions, and the models' files."""

from __future__ import annotations

import hashlib
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from composer.diagnostics.caches import PACKAGE_VERSION
from composer.run.model_digests import declarations

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from composer.specs import Checkpoint, Declaration

__all__ = ["differences", "differing", "identities", "versions"]

PACKAGES = ("torch", "transformers")


@cache
def versions() -> Mapping[str, str]:
    """Return the versions on which answers depend; that of this project with its sources."""
    own = f"{PACKAGE_VERSION} ({_sources()})"
    python = ".".join(platform.python_version_tuple()[:2])
    found = {name: _version(name) for name in PACKAGES}
    return {"Python": python, "ensemble-composer": own, **found}


def identities(models: Iterable[Checkpoint], *, locked: bool) -> dict[str, str]:
    """Return what each model is on this machine, by its name; empty where it is not here.

    It is the content of its files where a lock pins them, which may take as long as reading them;
    else its size and its tokenizer. Raises ModelError where the files cannot be read.
    """
    named = {model.name: list(declarations(model)) for model in models}
    what = _content if locked else _size
    return {name: " ".join(map(what, declared)) for name, declared in named.items()}


def differing(here: Mapping[str, str], there: Mapping[str, str]) -> str:
    """Say which versions are not the same; empty where all are."""
    others = [name for name in here if here[name] != there.get(name)]
    return ", ".join(
        f"{name} {there.get(name, 'not installed')} instead of {here[name]}" for name in others
    )


def differences(here: Mapping[str, str], there: Mapping[str, str]) -> list[str]:
    """Return the names of what is known of both and is not the same."""
    return [name for name in here if here[name] and there[name] and here[name] != there[name]]


def _content(declaration: Declaration) -> str:
    return declaration.content()


def _size(declaration: Declaration) -> str:
    card = declaration.card()
    if card.bytes is None or card.vocabulary is None:
        return ""
    return f"{card.parameters} {card.bytes} {card.vocabulary}"


def _version(package: str) -> str:
    try:
        return version(package).partition("+")[0]  # a build for GPUs is the same version
    except PackageNotFoundError:
        return "not installed"


def _sources() -> str:
    """Return eight digits of a digest of this package's files."""
    folder, total = Path(__file__).parents[1], hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        total.update(f"{path.relative_to(folder).as_posix()}\0".encode())
        total.update(path.read_bytes())
    return total.hexdigest()[:8]
