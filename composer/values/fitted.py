"""What a part is fitted to: arrays and facts, and how a part is bound to them."""

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
    """Results by key, each computed once. Other threads wait for it; a failure is not kept."""

    def __init__(self) -> None:
        self._results: dict[Hashable, Result] = {}
        self._locks: dict[Hashable, threading.Lock] = {}
        self._guard = threading.Lock()

    def __contains__(self, key: Hashable) -> bool:
        return key in self._results

    def get(self, key: Hashable, work: Callable[[], Result]) -> Result:
        """Return the result for a key, computed by `work` the first time."""
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
    """Fitted arrays, and facts that JSON can hold (such as strings).

    It is saved as safetensors and JSON, so arrays have the number types that safetensors knows
    and nothing is pickled. `live` caches what is computed from them, such as an index:
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
    """The fitted state of a part, and what it belongs to; arrays are read when they are needed.

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
        """Return a fitted state that was just computed."""
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
    def costs(self) -> State | None:
        """What an answer of each choice costs, None where no cost was known."""
        return self.states.get("costs")

    @property
    def shrinkage(self) -> State | None:
        """The state of the out-of-distribution detector, if it was fitted."""
        return self.states.get("guard")


class Trainable(Typed):
    """A part that can be fitted. `compose fit` does it, by the trainer registered for its class.

    A part is bound to its fitted state when its recipe is planned. A bound part differs from an
    unbound one, even with the same options.
    """

    _fitted: Fitted | None = PrivateAttr(default=None)

    @property
    def fitted(self) -> Fitted | None:
        """The fitted state of this part, None if it is not bound."""
        return self._fitted

    @property
    def open(self) -> bool:
        """Whether the part needs a fit; not if the recipe names the file of its state."""
        return True

    @property
    def unfitted(self) -> bool:
        """Whether it cannot be used before it is fitted; one may also learn, or fail, when used."""
        return False

    def bound(self, fitted: Fitted) -> Self:
        """Return the same part, bound to a fitted state."""
        fresh = self.model_copy()
        fresh._fitted = fitted  # noqa: SLF001 - its own copy
        return fresh
