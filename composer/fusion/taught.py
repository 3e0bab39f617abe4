"""What a part of a fuse has learnt: where it lies, and what it is known by."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from composer.heavy import np
from composer.ports import State
from composer.ports.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Taught", "read", "save"]


@dataclass(frozen=True)
class Taught:
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
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise ModelError(
            "E505",
            f"{Path(path).name} does not hold what a part has learnt",
            "make it with the training functions of `composer.learn.tokens`",
        ) from error
    return State(arrays, facts)


def loaded(taught: Taught | None, part: str) -> State:
    """What a part has learnt; raises ModelError where it learnt nothing, or another part did."""
    if taught is None:
        said = f"`{part}` has not been taught"
        raise ModelError("E509", said, "name what it learnt, `file = ...`, or `compose fit`")
    state = taught.load()
    made: Any = state.facts.get("part")
    if made != part:
        said = f"what `{part}` is given was learnt by {f'`{made}`' if made else 'something else'}"
        raise ModelError("E508", said, f"name a file that `{part}` learnt")
    return state


def named(state: State, names: Sequence[str], part: str) -> list[int]:
    """Where in a state's rows each member's are; raises ModelError (E507) for one that is new."""
    known = list(state.facts["names"])
    strange = [name for name in names if name not in known]
    if strange:
        said = f"`{part}` learnt about {', '.join(known)}, and now there is {strange[0]}"
        raise ModelError("E507", said, "teach it again, with the members there are now")
    return [known.index(name) for name in names]
