"""What parts learn and keep: arrays and facts, and how a part comes by them."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from pydantic import PrivateAttr

from composer.values.typed import Typed

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping

    from numpy.typing import NDArray

Result = TypeVar("Result")


class OnceCache(Generic[Result]):
    """Results by key. The first thread to ask works, the others wait; a failure is not kept."""

    def __init__(self) -> None:
        self._results: dict[Hashable, Result] = {}
        self._locks: dict[Hashable, threading.Lock] = {}
        self._guard = threading.Lock()

    def get(self, key: Hashable, work: Callable[[], Result]) -> Result:
        """Return the result for a key, worked out if nobody has asked for it yet."""
        if key in self._results:
            return self._results[key]
        with self._guard:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            if key not in self._results:
                self._results[key] = work()
            return self._results[key]


@dataclass(frozen=True, eq=False)
class State:
    """What was learnt: arrays, and facts that JSON can hold (strings belong there).

    It is saved as safetensors and JSON, so arrays have the number types that safetensors knows
    and nothing is pickled. `live` keeps what is made of them once per process, such as an index:
    `state.live.get("index", lambda: make(state.arrays))`.
    """

    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    live: OnceCache[Any] = field(default_factory=OnceCache, repr=False)

    @classmethod
    def join(cls, **parts: State) -> State:
        """Return one state that holds others, each under its name."""
        arrays = {
            f"{name}.{key}": array
            for name, part in parts.items()
            for key, array in part.arrays.items()
        }
        return cls(arrays, {name: dict(part.facts) for name, part in parts.items()})

    def part(self, name: str) -> State:
        """Return one of the states that were joined, the same object every time."""
        state: State = self.live.get(("part", name), lambda: self._part(name))
        return state

    def _part(self, name: str) -> State:
        start = f"{name}."
        arrays = {
            key.removeprefix(start): array
            for key, array in self.arrays.items()
            if key.startswith(start)
        }
        return State(arrays, self.facts[name])


@dataclass(frozen=True, eq=False)
class Fitted:
    """What a part learnt, with what it belongs to; the arrays are read when they are needed.

    `names` are the choices or members, in the order of the state's columns, `rows` how many were
    learnt from. `load` gives the states by name: the part's own is `state`. `facts` is what
    `compose fit` found besides, such as how well it does. `digest` names the content, and `sound`
    keeps that it was checked.
    """

    names: tuple[str, ...]
    rows: int
    load: Callable[[], Mapping[str, State]]
    facts: Mapping[str, Any] = field(default_factory=dict)
    digest: str = ""
    sound: OnceCache[Fitted] = field(default_factory=OnceCache, repr=False)

    @classmethod
    def of(cls, names: tuple[str, ...], rows: int, **states: State) -> Fitted:
        """Return what was learnt just now."""
        return cls(names, rows, lambda: states)

    @cached_property
    def states(self) -> Mapping[str, State]:
        """All states by name."""
        return self.load()

    @property
    def state(self) -> State:
        """The part's own state."""
        return self.states["state"]

    @property
    def guard(self) -> State | None:
        """What says how foreign a query is, if that was learnt."""
        return self.states.get("guard")


class Trainable(Typed):
    """A part that can learn. `compose fit` teaches it, by the trainer registered for its class.

    A part is bound to what it learnt when its recipe is planned; a part that is bound differs
    from one that is not, though its options are the same.
    """

    _fitted: Fitted | None = PrivateAttr(default=None)

    @property
    def fitted(self) -> Fitted | None:
        """What this part learnt, None where it is not bound to anything."""
        return self._fitted

    @property
    def open(self) -> bool:
        """Whether a fit is wanted: not where the recipe says in which file it lies already."""
        return True

    def bound(self, fitted: Fitted) -> Self:
        """Return the same part with what it learnt."""
        fresh = self.model_copy()
        fresh._fitted = fitted  # noqa: SLF001 - its own copy
        return fresh
