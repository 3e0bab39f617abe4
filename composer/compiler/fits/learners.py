"""What can learn in a graph: trainable parts, wherever they stand among a node's options."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from composer.compiler.graph import topological
from composer.diagnostics import Diagnostic, Mistakes
from composer.methods import Rule, Signal
from composer.methods.signals.learned import LearnedSignal
from composer.specs.content import file_digest, json_digest
from composer.values import ANSWER_PORTS, Trainable
from composer.values.typed import Typed, file_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from composer.compiler.graph import Node


@dataclass(frozen=True, eq=False, slots=True)
class Learner:
    """A trainable part, the node that it serves and the option in which it stands."""

    node: Node
    option: str
    part: Trainable

    @property
    def names(self) -> tuple[str, ...]:
        """The names of what it learns about: a route's choices, a fuse's members."""
        return names_of(self.node)

    @property
    def must_be_fitted(self) -> bool:
        """Whether the recipe cannot run before it is fitted."""
        return self.part.unfitted

    @property
    def key(self) -> str:
        """What a fit of it is known by: the step, the part with its options, the names."""
        content = [self.node.op, self.option, specification(self.part), self.names]
        return json_digest(content)


def find_learners(root: Node) -> list[Learner]:
    """Return the trainable parts under a root in the order of work, each kind of work once."""
    learners: dict[str, Learner] = {}
    for node in topological(root):
        for learner in learners_of(node):
            learners.setdefault(learner.key, learner)
    return list(learners.values())


def learners_of(node: Node) -> Iterator[Learner]:
    """Yield the trainable parts among a node's options."""
    for option, value in node.values().items():
        for part in _parts(value):
            yield Learner(node, option, part)


def demand_fitted(root: Node, name: str, path: Path | None) -> None:
    """Refuse a graph with an estimator that has learnt nothing; raises Mistakes (E509).

    `name` is that of the recipe, and `path` where it lies.
    """
    for learner in find_learners(root):
        part = learner.part
        if learner.must_be_fitted:
            recipe = "RECIPE" if path is None else shlex.quote(str(path))
            message = f"`{part.name}` in `{name}` is not fitted yet"
            option = "data" if "data" in type(part).model_fields else "file"
            help_ = f"run `compose fit {recipe} --data FILE`, or give the part `{option} = FILE`"
            raise Mistakes([Diagnostic("E509", message, help=help_)])


def names_of(node: Node) -> tuple[str, ...]:
    """Return the names of a route's choices, of the models that a node is given, or of candidates.

    Where a step is only given answers, they are the names of the branches that these come from.
    """
    while True:
        values = node.values()
        names = values.get("names") or values.get("stage_names")
        if names:
            return tuple(names)
        models = tuple(each.title for each in node.direct_inputs if each.declaration is not None)
        answers = [each for each in node.direct_inputs if each.port in ANSWER_PORTS]
        if models or not answers:
            return models
        node = answers[0]


def replace_trainable(value: object, change: Callable[[Trainable], Trainable]) -> object:
    """Return an option's value with every trainable part in it changed."""
    match value:
        case Trainable():

            def change_signal(part: Trainable) -> Trainable:
                return change(part) if isinstance(part, LearnedSignal) else part

            part = _with_fields(value, change_signal)
            return change(part) if value.open else part
        case Typed():
            return _with_fields(value, change)
        case Rule():
            return value.with_signals(lambda signal: _changed_signal(signal, change))
        case tuple():
            items = tuple(replace_trainable(item, change) for item in value)
            return items if any(a is not b for a, b in zip(items, value, strict=True)) else value
        case _:
            return value


Part = TypeVar("Part", bound=Typed)


def _with_fields(part: Part, change: Callable[[Trainable], Trainable]) -> Part:
    """Return a part with every trainable part in its options changed."""
    fields = {name: getattr(part, name) for name in type(part).model_fields}
    new_fields = {name: replace_trainable(field, change) for name, field in fields.items()}
    changed_fields = {
        name: field for name, field in new_fields.items() if field is not fields[name]
    }
    return part.model_copy(update=changed_fields) if changed_fields else part


def _changed_signal(signal: Signal, change: Callable[[Trainable], Trainable]) -> Signal:
    changed = replace_trainable(signal, change)
    assert isinstance(changed, Signal)
    return changed


def specification(part: Typed) -> dict[str, object]:
    """Write a part as JSON can: its name and options, files and weights by what they hold."""
    options = {name: _plain(part, name) for name in type(part).model_fields}
    return {"name": part.name, **options, **part.digests()}


def _parts(value: object) -> Iterator[Trainable]:
    """Yield the trainable parts in an option's value.

    Those inside of one are its own business, but for learned signals: they come before it.
    """
    match value:
        case Trainable():
            yield from (part for part in _field_parts(value) if isinstance(part, LearnedSignal))
            if value.open:
                yield value
        case Typed():
            yield from _field_parts(value)
        case Rule():
            for signal in sorted(value.signals(), key=str):
                yield from _parts(signal)
        case tuple():
            for item in value:
                yield from _parts(item)


def _field_parts(part: Typed) -> Iterator[Trainable]:
    for name in type(part).model_fields:
        yield from _parts(getattr(part, name))


def _plain(part: Typed, name: str) -> object:
    path = file_of(part, name)
    return _json(getattr(part, name)) if path is None else f"sha256:{file_digest(path)}"


def _json(value: object) -> object:
    match value:
        case Typed():
            return specification(value)
        case tuple():
            return [_json(item) for item in value]
        case str() | int() | float() | None:
            return value
        case _:
            return str(value)
