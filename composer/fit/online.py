"""What an online estimator learns while it is used, in a file that survives a kill.

The file is replaced as a whole after each update, never written in place: whoever reads it finds
the state before an update or after it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import TYPE_CHECKING, Any

from composer.atomic import write_atomically
from composer.compiler.fits import find_learners, specification
from composer.compiler.fits.learners import names_of, replace_trainable
from composer.diagnostics import Diagnostic, Mistakes
from composer.methods.estimators.base import Online
from composer.values import Fitted, State

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from composer.compiler.graph import Node
    from composer.methods.estimators.values import Asked
    from composer.recipe import Recipe
    from composer.values import Trainable

VERSION = 1
SUFFIX = ".online.safetensors"


def open_journal(recipe: Recipe) -> Journal:
    """Open the state of a recipe's online estimator, in `NAME.online.safetensors`.

    A new one starts from what `compose fit` wrote, if it did, else from nothing.
    Raises Mistakes where the recipe lies in no file or has not one such estimator (E509), or the
    file holds something else (E507, E508).
    """
    answer = recipe.fitted.answer
    learners = find_learners(answer) if answer is not None else []
    online = [
        (learner.part, learner.names) for learner in learners if isinstance(learner.part, Online)
    ]
    if recipe.path is None or len(online) != 1:
        text = (
            f"`{recipe.name}` must have exactly one online estimator, and be saved in a file; it "
            f"has {len(online)}"
        )
        raise Mistakes([Diagnostic("E509", text)])
    path = recipe.path.with_name(recipe.path.name + SUFFIX)
    return Journal(path, *online[0], recipe.seed)


@dataclass(eq=False)
class Journal:
    """An online estimator's state on disk: read when it is opened, replaced by every update."""

    path: Path
    part: Online
    names: tuple[str, ...]
    seed: int = 0
    updates: int = 0
    state: State = field(init=False)
    _lock: Lock = field(default_factory=Lock, repr=False)

    def __post_init__(self) -> None:
        if self.path.exists():
            self.state, self.updates = self._read()
        else:
            learnt = self.part.fitted
            self.state = learnt.state if learnt else self.part.start(self.names, self.seed)

    def reward(self, asked: Asked, choice: str, reward: float) -> None:
        """Learn that a choice had a reward, in [0, 1], and keep it; raises Mistakes (E509)."""
        if choice not in self.names:
            text = f"unknown choice `{choice}`; use one of: {', '.join(self.names)}"
            raise Mistakes([Diagnostic("E509", text)])
        if not 0 <= reward <= 1:
            raise Mistakes([Diagnostic("E509", f"a reward must be between 0 and 1, not {reward}")])
        with self._lock:
            index = self.names.index(choice)
            self.state = self.part.update(self.state, asked, index, reward)
            self.updates += 1
            self._write()

    def bound(self, recipe: Recipe) -> Recipe:
        """Return the recipe with this estimator going by what the journal holds at each moment."""
        compiled = recipe.fitted
        assert compiled.answer is not None
        living = _Living(self.names, self.updates, dict, journal=self)

        def live(part: Trainable) -> Trainable:
            return part.bound(living) if part == self.part else part

        def change(node: Node) -> Node:
            values = {name: replace_trainable(value, live) for name, value in node.values().items()}
            moved = {name: each for name, each in values.items() if each is not node.get(name)}
            fits = tuple(names_of(node)) == self.names
            return compiled.graph.replaced(node, **moved) if moved and fits else node

        answer = compiled.graph.rebuild(compiled.answer, change)
        return replace(recipe, compiled=replace(compiled, answer=answer), path=None)

    def _write(self) -> None:
        from safetensors.numpy import save

        about = {**self._about(), "updates": self.updates, "facts": dict(self.state.facts)}
        content = save(dict(self.state.arrays), {"composer": json.dumps(about, sort_keys=True)})
        write_atomically(self.path, content, durable=True)

    def _read(self) -> tuple[State, int]:
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(self.path, framework="numpy") as file:
                about = json.loads((file.metadata() or {})["composer"])
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError, KeyError, ValueError):
            text = f"{self.path} is not the state of an online estimator, or is damaged"
            raise Mistakes([Diagnostic("E507", text, help="delete it to start again")]) from None
        self._held_to(about)
        return State(arrays, about["facts"]), about["updates"]

    def _held_to(self, about: Mapping[str, Any]) -> None:
        """Refuse the state of another estimator, or about other choices."""
        if {name: about.get(name) for name in self._about()} != self._about():
            text = f"{self.path} belongs to another estimator, or to other choices"
            raise Mistakes([Diagnostic("E508", text, help="delete it to start again")])

    def _about(self) -> dict[str, Any]:
        return {
            "version": VERSION,
            "part": specification(self.part),
            "names": list(self.names),
        }


@dataclass(frozen=True, eq=False)
class _Living(Fitted):
    """The state of a part as its journal holds it at the moment of asking."""

    journal: Journal = field(kw_only=True)

    @property
    def states(self) -> Mapping[str, State]:
        """The state after the latest update."""
        return {"state": self.journal.state}
