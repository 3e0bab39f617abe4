"""What a part of a fuse has learnt: where it lies, and what it is known by."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from composer.heavy import np
from composer.values import State
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

__all__ = ["FittedState", "read", "save", "shaped"]


@dataclass(frozen=True)
class FittedState:
    """Arrays and facts that are read when a fuse is made; equal digests are one content."""

    digest: str
    load: Callable[[], State] = field(compare=False)


def save(path: Path | str, state: State) -> None:
    """Write a state as safetensors with its facts in the header; nothing is pickled."""
    from safetensors.numpy import save as packed

    arrays = {name: np.ascontiguousarray(array) for name, array in state.arrays.items()}
    facts = json.dumps(dict(state.facts), sort_keys=True)
    Path(path).write_bytes(packed(arrays, metadata={"facts": facts}))


def read(path: Path | str) -> State:
    """Read what `save` wrote; raises ModelError (E505) if it is none of that."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            facts = json.loads((file.metadata() or {})["facts"])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, ValueError, TypeError, RecursionError) as error:
        raise _none(path) from error
    finite = all(np.isfinite(each).all() for each in arrays.values() if each.dtype.kind == "f")
    if not isinstance(facts, dict) or not finite:
        raise _none(path)
    return State(arrays, facts)


def _none(path: Path | str) -> ModelError:
    said = f"{Path(path).name} is not the file of a fitted part"
    return ModelError("E505", said, "make it with the training functions of `composer.fit.tokens`")


def shaped(state: State, name: str, *sizes: int | None) -> NDArray[Any]:
    """Return an array of a state; raises ModelError (E507) where it has another shape.

    A size of None may be any.
    """
    array = state.arrays.get(name)
    fits = array is not None and array.ndim == len(sizes)
    if (
        array is None
        or not fits
        or any(
            want is not None and want != size for want, size in zip(sizes, array.shape, strict=True)
        )
    ):
        said = f"`{name}` in the fitted file has the wrong shape"
        raise ModelError("E507", said, "fit it again")
    return array


def loaded(taught: FittedState | None, part: str) -> State:
    """What a part has learnt; raises ModelError where it learnt nothing, or another part did."""
    if taught is None:
        said = f"`{part}` is not fitted yet"
        raise ModelError(
            "E509", said, "run `compose fit RECIPE --data FILE`, or give the part `file = FILE`"
        )
    state = taught.load()
    made: Any = state.facts.get("part")
    if made != part:
        said = f"the file of `{part}` was fitted for {f'`{made}`' if made else 'another part'}"
        raise ModelError("E508", said, f"give a file that was fitted for `{part}`")
    return state


def named(state: State, names: Sequence[str], part: str) -> list[int]:
    """Where in a state's rows each member's are; raises ModelError (E507) for one that is new."""
    told = state.facts.get("names")
    known = [str(name) for name in told] if isinstance(told, list) else []
    strange = [name for name in names if name not in known]
    if strange:
        said = f"`{part}` was fitted with {', '.join(known)}, but now there is {strange[0]}"
        raise ModelError("E507", said, "fit it again with the present members")
    return [known.index(name) for name in names]
