"""What `compose doctor` looks at: versions, devices, threads, the zoo, keys and caches."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass, field
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from composer.diagnostics.amounts import counted
from composer.diagnostics.machine import processor
from composer.heavy import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from composer.values import JSON

VERSION = 1

PACKAGE = "ensemble-composer"

KEYS = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "HF_HOME", "HF_HUB_OFFLINE")
"""Variables whose presence is told; their values never are."""

PROBE, QUESTION = "general-1", "What is 17 plus 25?"
"""The model of the zoo that is asked, and what."""


@dataclass(frozen=True, slots=True)
class HealthProblem:
    """Something that will get in the way, and what to do about it."""

    what: str
    remedy: str


@dataclass(slots=True)
class Health:
    """All that was found, as `--json` prints it, and the problems among it."""

    sections: dict[str, object] = field(default_factory=dict)
    problems: list[HealthProblem] = field(default_factory=list)

    def as_dict(self) -> dict[str, object]:
        """Return the object that `--json` prints."""
        problems = [{"what": problem.what, "remedy": problem.remedy} for problem in self.problems]
        return {"version": VERSION, **self.sections, "problems": problems}


def examine() -> Health:
    """Look at everything; what fails is a problem like any other."""
    health = Health()
    looks: dict[str, Callable[[Health], object]] = {
        "versions": versions,
        "devices": devices,
        "threads": threads,
        "zoo": zoo,
        "environment": lambda _: {name: name in os.environ for name in KEYS},
        "caches": caches,
        "sandbox": sandbox,
    }
    for name, look in looks.items():
        try:
            health.sections[name] = look(health)
        except Exception as error:  # noqa: BLE001 - a doctor tells of whatever is broken
            health.sections[name] = None
            text = f"{name} cannot be checked: {type(error).__name__}: {error}"
            health.problems.append(HealthProblem(text, REINSTALL))
    return health


REINSTALL = f"install the package again: pip install --force-reinstall {PACKAGE}"


def versions(health: Health) -> dict[str, str | None]:
    """Return the versions of Python and of what the package needs."""
    versions_by_name: dict[str, str | None] = {
        PACKAGE: _version(PACKAGE),
        "python": platform.python_version(),
    }
    for name, fits in _needed():
        versions_by_name[name] = version = _version(name)
        if version is None:
            health.problems.append(HealthProblem(f"{name} is not installed", f"pip install {name}"))
        elif not fits(version):
            text = f"{name} {version} is not a supported version"
            health.problems.append(HealthProblem(text, f"pip install --upgrade {PACKAGE}"))
    return versions_by_name


def _needed() -> Iterator[tuple[str, Callable[[str], bool]]]:
    """Yield what the package needs without any extra, and a test of its version."""
    from packaging.requirements import Requirement

    for text in metadata.requires(PACKAGE) or ():
        need = Requirement(text)
        if need.marker is None or need.marker.evaluate({"extra": ""}):
            yield need.name, partial(need.specifier.contains, prereleases=True)


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def devices(health: Health) -> list[dict[str, JSON]]:
    """Return the devices with their memory, as torch sees them."""
    from composer.compiler.plan import devices as planned

    free, total = memory()
    device_list: list[dict[str, JSON]] = [
        {"name": "cpu", "kind": processor(), "free": free, "total": total}
    ]
    for index in range(torch.cuda.device_count()):
        free_now, total_now = torch.cuda.mem_get_info(index)
        kind = torch.cuda.get_device_name(index)
        device_list.append(
            {"name": f"cuda:{index}", "kind": kind, "free": free_now, "total": total_now}
        )
    missing = {device.name for device in planned()} - {device["name"] for device in device_list}
    if missing:
        names = ", ".join(sorted(missing))
        text = f"the driver has {names}, but torch {torch.__version__} cannot use it"
        remedy = "install a torch build for this driver: https://pytorch.org/get-started"
        health.problems.append(HealthProblem(text, remedy))
    return device_list


def memory() -> tuple[int | None, int | None]:
    """Return the free and the whole memory of the machine in bytes, where the system says it."""
    try:
        page = os.sysconf("SC_PAGE_SIZE")
        return os.sysconf("SC_AVPHYS_PAGES") * page, os.sysconf("SC_PHYS_PAGES") * page
    except (AttributeError, ValueError, OSError):
        return None, None


def threads(health: Health) -> dict[str, int]:
    """Return how many threads torch uses, and on how many cores."""
    from composer.sandbox.process.running import cores

    usable, count = cores(), torch.get_num_threads()
    if count > usable:
        text = f"torch uses {count} threads on {counted(usable, 'core')}"
        health.problems.append(HealthProblem(text, f"set OMP_NUM_THREADS={usable}"))
    return {"cores": usable, "torch": count}


def zoo(health: Health) -> dict[str, object]:
    """Load a model of the zoo and ask it something."""
    import time

    from composer import zoo as models
    from composer.recipe import Recipe

    names = models.names()
    began = time.perf_counter()
    try:
        result = Recipe.load(f'model A = zoo("{PROBE}")\nA\n')(QUESTION)
        answer, reason = result.answer, result.error
    except Exception as error:  # noqa: BLE001 - whatever it is, the zoo does not answer
        answer, reason = None, str(error)
    if not (answer or "").strip():
        health.problems.append(HealthProblem(f"the zoo models do not work: {reason}", REINSTALL))
    seconds = round(time.perf_counter() - began, 2)
    return {"models": names, "asked": PROBE, "answer": answer, "seconds": seconds}


def sandbox(_: Health) -> dict[str, JSON]:
    """Return for each wall of the sandbox None, or why this system cannot hold it.

    That is no problem by itself: only recipes that run programs of models need it.
    """
    from composer.sandbox.process import WALLS, missing_walls

    missing = missing_walls()
    return {name: missing.get(name) for name in WALLS}


def caches(health: Health) -> list[dict[str, JSON]]:
    """Return the places that things are kept in, with their sizes and bounds."""
    from composer.diagnostics.caches import ANSWERS, MERGED, NAMES, bound, cache_folder

    try:
        ours = cache_folder()
    except OSError as error:
        health.problems.append(HealthProblem(f"there is no cache folder: {error}", FOLDER_REMEDY))
        return []
    home = os.environ.get("HF_HOME")
    places: list[tuple[str, Path, str | None]] = [
        ("ours", ours, None),
        ("kept answers", ours / NAMES[ANSWERS], ANSWERS),
        ("merged models", ours / NAMES[MERGED], MERGED),
        ("models of the hub", Path(home) if home else ours.parent / "huggingface", None),
    ]
    for _, path, _ in places:
        if not _can_be_made(path):
            health.problems.append(HealthProblem(f"cannot write to {path}", FOLDER_REMEDY))
    return [
        {
            "name": name,
            "path": str(path),
            "bytes": size_of(path) if path.exists() else None,
            "bound": None if variable is None else bound(variable),
        }
        for name, path, variable in places
    ]


FOLDER_REMEDY = (
    "check its permissions and free space, or set XDG_CACHE_HOME or HF_HOME to another folder"
)


def _can_be_made(path: Path) -> bool:
    """Say whether a file or folder can be written, or made where it is not there yet."""
    for parent in (path, *path.parents):
        if os.path.lexists(parent):
            return (parent == path or parent.is_dir()) and os.access(parent, os.W_OK)
    return False


def size_of(place: Path) -> int:
    """Return the bytes of a file, or of all files in a folder; links are not followed."""
    if not place.is_dir():
        return place.lstat().st_size
    total, waiting = 0, [place]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(Path(entry.path))
                    elif entry.is_file(follow_symlinks=False):
                        total += entry.stat(follow_symlinks=False).st_size
        except OSError:
            continue
    return total
