"""A fit on disk: `NAME.ens.fit.json` with `NAME.ens.fit.safetensors` beside the recipe."""

from __future__ import annotations

import hashlib
import json
import shlex
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from composer.atomic import write_atomically
from composer.diagnostics import Diagnostic, Mistakes
from composer.heavy import np
from composer.methods.mistakes import PartError
from composer.values import State

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

VERSION = 1
SUFFIX = ".fit.json"
ARRAYS = ".fit.safetensors"


class _FrozenRecord(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class FitData(_FrozenRecord):
    """The data that was learnt from: its path from the recipe's folder, and its content."""

    path: str
    digest: str


class CalibratedOption(_FrozenRecord):
    """An option that was set to reach a target: of the policy, or of the fitted part itself.

    `policy` is the one that the recipe names, None where it names none.
    """

    policy: dict[str, object] | None = None
    option: str
    value: float
    target: str
    of: Literal["policy", "part"] = "policy"


class ManifestEntry(_FrozenRecord):
    """What one part learnt: where it stands, what it was, and about whom.

    `facts` are those of its states by name, `content` the digest of all its arrays; `report` says
    how well it does.
    """

    key: str
    op: str
    option: str
    part: dict[str, object]
    names: tuple[str, ...]
    rows: int
    content: str
    facts: dict[str, dict[str, object]]
    report: dict[str, Any]
    calibrated: CalibratedOption | None = None


class FitManifest(_FrozenRecord):
    """All that was learnt for a recipe."""

    version: int = VERSION
    recipe: str
    data: FitData
    seed: int
    entries: tuple[ManifestEntry, ...]

    @property
    def targets(self) -> list[str]:
        """The targets that routes were calibrated for."""
        options = (entry.calibrated for entry in self.entries)
        return list(dict.fromkeys(option.target for option in options if option is not None))


def fit_path(recipe: Path) -> Path:
    """Return where a recipe's fit lies."""
    return recipe.with_name(recipe.name + SUFFIX)


def fit_command(recipe: Path, data: str | None, targets: Sequence[str] = ()) -> str:
    """Return the command that fits a recipe; `data` is a path from the recipe's folder."""
    folder = recipe.parent
    file = "FILE" if data is None else shlex.quote(str(folder / data))
    aim = "".join(f" --target {target}" for target in targets)
    return f"compose fit {shlex.quote(str(recipe))} --data {file}{aim}"


def refit_command(recipe: Path) -> str:
    """Return the command that made the fit beside a recipe."""
    manifest = read_fit(fit_path(recipe))
    return fit_command(recipe, manifest.data.path, manifest.targets)


def read_fit(path: Path) -> FitManifest:
    """Read a fit without its arrays; raises Mistakes (E507) if it is none of this version."""
    try:
        return FitManifest.model_validate_json(path.read_bytes())
    except (ValidationError, ValueError, OSError):
        text = f"{path} is not a fit, or was written by another version of the project"
        recipe = shlex.quote(str(path).removesuffix(SUFFIX))
        help_ = f"fit again: `compose fit {recipe} --data FILE`, or delete the file"
        raise Mistakes([Diagnostic("E507", text, help=help_)]) from None


def write_fit(path: Path, manifest: FitManifest, states: Sequence[Mapping[str, State]]) -> None:
    """Write a fit; the same content gives the same bytes. What was there is replaced at once."""
    from safetensors.numpy import save

    arrays = {
        f"{at}/{name}/{key}": np.ascontiguousarray(array)
        for at, part_states in enumerate(states)
        for name, state in part_states.items()
        for key, array in state.arrays.items()
    }
    text = json.dumps(manifest.model_dump(mode="json"), indent=1, sort_keys=True, allow_nan=False)
    try:
        write_atomically(arrays_path(path), save(arrays), durable=True)
        write_atomically(path, f"{text}\n".encode(), durable=True)
    except OSError as error:
        message = f"cannot write the fit to {path}: {error.strerror}"
        help_ = "copy the recipe to a folder where you may write, and fit it there"
        raise Mistakes([Diagnostic("E718", message, help=help_)]) from None


def is_whole(path: Path) -> bool:
    """Say whether the arrays of a fit are there and not cut off, by the header of their file.

    A file of safetensors begins with the length of its header, in eight bytes, and the header
    says where each array ends.
    """
    place = arrays_path(path)
    try:
        with place.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            size = place.stat().st_size
            header = json.loads(file.read(length)) if length < size else {}
        ends = [0] + [
            tensor["data_offsets"][1] for n, tensor in header.items() if n != "__metadata__"
        ]
    except (OSError, ValueError, AttributeError, LookupError, TypeError):
        return False
    return bool(size == 8 + length + max(ends))


def content_of(states: Mapping[str, State]) -> str:
    """Return the digest of the arrays of some states."""
    digest = hashlib.sha256()
    for name, state in sorted(states.items()):
        for key, array in sorted(state.arrays.items()):
            digest.update(f"{name}/{key} {array.dtype} {array.shape}\0".encode())
            digest.update(array.tobytes())
    return digest.hexdigest()


def loader(path: Path, at: int, entry: ManifestEntry) -> Callable[[], Mapping[str, State]]:
    """Return what reads an entry's states, when they are needed."""
    return partial(_load, arrays_path(path), at, entry)


def _load(path: Path, at: int, entry: ManifestEntry) -> Mapping[str, State]:
    from safetensors import SafetensorError, safe_open

    arrays: dict[str, dict[str, NDArray[np.generic]]] = {name: {} for name in entry.facts}
    try:
        with safe_open(path, framework="numpy") as file:
            for full_name in file.keys():  # noqa: SIM118 - not a mapping
                owner, name, key = full_name.split("/", 2)
                if owner == str(at):
                    arrays[name][key] = file.get_tensor(full_name)
    except (OSError, SafetensorError, KeyError, ValueError, TypeError):
        raise _damaged(path, "is missing or damaged") from None
    states = {name: State(arrays[name], facts) for name, facts in entry.facts.items()}
    if content_of(states) != entry.content:
        raise _damaged(path, "does not contain the numbers that were fitted")
    return states


def _damaged(path: Path, problem: str) -> PartError:
    recipe = shlex.quote(str(path).removesuffix(ARRAYS))
    help_ = f"fit again: `compose fit {recipe} --data FILE`"
    return PartError("E507", f"the file {path} of the fit {problem}", help_)


def arrays_path(path: Path) -> Path:
    """Return where the arrays of a fit lie."""
    return path.with_name(path.name.removesuffix(SUFFIX) + ARRAYS)
