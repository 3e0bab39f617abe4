"""Parts that are fitted: their state comes from a file, or from `compose fit`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from composer.heavy import np
from composer.values import MaybeFile, State, Trainable
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["FittedPart", "TrainablePart", "named", "read", "save", "shaped"]


class FittedPart(Trainable):
    """A part whose fitted state is a file that the recipe names, or that `compose fit` wrote."""

    file: MaybeFile = None

    @property
    def open(self) -> bool:
        """Whether a fit is wanted: not where a file is named."""
        return self.file is None

    @property
    def unfitted(self) -> bool:
        """Whether it cannot be used before it is fitted: no file is named, and there is no fit."""
        return self.open and self.fitted is None

    @classmethod
    def positional(cls) -> tuple[str, ...]:
        """Return its own options first: the file of a fit is given by its name."""
        return tuple(sorted(cls.model_fields, key=lambda name: name == "file"))

    def state(self) -> State:
        """Return the fitted state: the file's, if one is named.

        Raises ModelError where there is none (E509), or it belongs to another part (E508).
        """
        if self.file is None and self.fitted is None:
            text = f"`{self.name}` is not fitted yet"
            raise ModelError(
                "E509", text, "run `compose fit RECIPE --data FILE`, or give the part `file = FILE`"
            )
        state = self.fitted.state if self.fitted and self.file is None else read(self.file or "")
        part = state.facts.get("part")
        if part != self.name:
            owner = f"`{part}`" if part else "another part"
            text = f"the file of `{self.name}` was fitted for {owner}"
            raise ModelError("E508", text, f"give a file that was fitted for `{self.name}`")
        return state


class TrainablePart(FittedPart):
    """A part of a fuse that is fitted.

    `hidden` says that it is fitted on the first member's hidden states.
    """

    hidden: ClassVar[bool] = False


def save(path: Path | str, state: State) -> None:
    """Write a state as safetensors with its facts in the header; nothing is pickled."""
    from safetensors.numpy import save as packed  # imports numpy

    arrays = {name: np.ascontiguousarray(array) for name, array in state.arrays.items()}
    facts = json.dumps(dict(state.facts), sort_keys=True)
    Path(path).write_bytes(packed(arrays, metadata={"facts": facts}))


def read(path: Path | str) -> State:
    """Read what `save` wrote; raises ModelError (E505) if the file is not of that form."""
    from safetensors import SafetensorError, safe_open

    errors = (OSError, SafetensorError, KeyError, ValueError, TypeError, RecursionError)
    try:
        with safe_open(path, framework="numpy") as file:
            facts = json.loads((file.metadata() or {})["facts"])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except errors as error:
        raise _unreadable(path) from error
    finite = all(np.isfinite(each).all() for each in arrays.values() if each.dtype.kind == "f")
    if not isinstance(facts, dict) or not finite:
        raise _unreadable(path)
    return State(arrays, facts)


def _unreadable(path: Path | str) -> ModelError:
    text = f"{Path(path).name} is not the file of a fitted part"
    return ModelError("E505", text, "make it with the training functions of `composer.fit.tokens`")


def shaped(state: State, name: str, *sizes: int | None) -> NDArray[Any]:
    """Return an array of a state; raises ModelError (E507) where it has another shape.

    A size of None may be any.
    """
    array = state.arrays.get(name)
    if array is not None and array.ndim == len(sizes):
        pairs = zip(sizes, array.shape, strict=True)
        if all(size is None or size == actual for size, actual in pairs):
            return array
    raise ModelError("E507", f"`{name}` in the fitted file has the wrong shape", "fit it again")


def named(state: State, names: Sequence[str], part: str) -> list[int]:
    """Return each member's row in a state; raises ModelError (E507) for a member without one."""
    fitted = state.facts.get("names")
    rows = [str(name) for name in fitted] if isinstance(fitted, list) else []
    missing = [name for name in names if name not in rows]
    if missing:
        text = f"`{part}` was fitted with {', '.join(rows)}, but now there is {missing[0]}"
        raise ModelError("E507", text, "fit it again with the present members")
    return [rows.index(name) for name in names]
