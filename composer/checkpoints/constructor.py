"""Which tensors a model's class has, read out of its source: nothing of transformers is imported.

The `__init__` of a class is followed as far as it is plain: layers of torch, classes of the same
file, values of the configuration. What is not plain is open, and nothing is claimed about it.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from composer.checkpoints.blueprint import CONFIG, OPEN, Blueprint, Expected, Value, layer
from composer.checkpoints.expressions import Expressions, is_plain, last_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["Source"]

INERT = ("Module", "PreTrainedModel", "GradientCheckpointingLayer")
"""Bases that have no tensors of their own."""

QUIET = ("post_init", "reset_parameters", "init_weights", "apply")
"""Methods of a module that add no tensors."""


@dataclass(frozen=True)
class Source:
    """A file of classes, the values of a configuration, and how many parts a list may have."""

    classes: Mapping[str, ast.ClassDef]
    values: Mapping[str, Value]
    most: int

    def value(self, name: str) -> Value:
        """Return a value of the configuration; one that is null is settled later, so it is open."""
        constant = self.values.get(name)
        return constant if isinstance(constant, int | float | str) else OPEN

    def constant(self, kind: str, name: str) -> Value:
        """Return what a class, or the first of its bases that does, gives a name as a literal."""
        for each in self._line(kind):
            for line in each.body:
                targets = line.targets if isinstance(line, ast.Assign) else ()
                if any(isinstance(one, ast.Name) and one.id == name for one in targets):
                    assert isinstance(line, ast.Assign)
                    try:
                        return ast.literal_eval(line.value)
                    except ValueError:
                        return None
        return None

    def _line(self, kind: str) -> Iterator[ast.ClassDef]:
        todo = [kind]
        while todo:
            definition = self.classes.get(todo.pop(0))
            if definition is not None:
                yield definition
                todo += map(last_of, definition.bases)

    def made(self, kind: str, positional: Sequence[Value], named: Mapping[str, Value]) -> Blueprint:
        """Return the tensors of a class that is made with arguments."""
        making = _Making(self)
        making.of(kind, positional, named)
        return making.whole


@dataclass
class _Making(Expressions):
    """A module that is being made: its tensors so far, and what its attributes are."""

    whole: Blueprint = field(default_factory=Blueprint)
    kind: str = ""
    sure: bool = True

    def of(self, kind: str, positional: Sequence[Value], named: Mapping[str, Value]) -> None:
        """Follow the `__init__` of a class, its own or its bases'."""
        definition = self.source.classes.get(kind)
        if definition is None:
            module = layer(kind, positional, named)
            if isinstance(module, Blueprint):
                self.whole.open |= module.open
                self.whole.tensors |= module.tensors
            elif kind not in INERT:
                self.whole.blur("")
            self.own["config"] = CONFIG if CONFIG in positional else OPEN
            return
        before, self.kind = self.kind, kind
        init = _function(definition, "__init__")
        if init is None:
            self._bases(definition, positional, named)
        else:
            self.run(init.body, _bound(init, positional, named))
        self.kind = before

    def _bases(
        self, found: ast.ClassDef, given: Sequence[Value], named: Mapping[str, Value]
    ) -> None:
        for base in found.bases[:1]:
            self.of(last_of(base), given, named)

    def run(self, body: Sequence[ast.stmt], names: dict[str, Value]) -> None:
        """Follow statements."""
        for line in body:
            match line:
                case ast.Assign(targets=[target], value=value):
                    self._assign(target, self.value(value, names), names)
                case ast.AnnAssign(target=target, value=ast.expr() as value):
                    self._assign(target, self.value(value, names), names)
                case ast.If(test=test, body=yes, orelse=no):
                    self._branch(self.value(test, names), yes, no, names)
                case ast.Expr(value=ast.Call() as call):
                    self._called(call, names)
                case ast.AugAssign(target=target):
                    self._assign(target, OPEN, names)
                case ast.Expr() | ast.Raise() | ast.Assert() | ast.Pass() | ast.ImportFrom():
                    pass
                case _:
                    self.whole.blur("")

    def _branch(
        self, test: Value, yes: Sequence[ast.stmt], no: Sequence[ast.stmt], names: dict[str, Value]
    ) -> None:
        if is_plain(test):
            self.run(yes if test else no, names)
            return
        before, self.sure = self.sure, False
        for branch in (yes, no):
            own, local = dict(self.own), dict(names)
            self.run(branch, local)
            _blur(self.own, own)
            _blur(names, local)
        self.sure = before

    def _assign(self, target: ast.expr, value: Value, names: dict[str, Value]) -> None:
        match target:
            case ast.Name(id=name):
                names[name] = value
            case ast.Attribute(value=ast.Name(id="self"), attr=name):
                self.own[name] = value
                if isinstance(value, Blueprint):
                    if "" in value.tensors:
                        each = value.tensors[""]
                        required = each.required and self.sure
                        self.whole.tensors[name] = replace(each, required=required)
                    else:
                        self.whole.put(name, value, sure=self.sure)
                elif value is OPEN:
                    self.whole.blur(name)
            case ast.Attribute(value=ast.Attribute(value=ast.Name(id="self"), attr=name)):
                self.whole.blur(name)
            case ast.Tuple(elts=parts):
                for part in parts:
                    self._assign(part, OPEN, names)
            case _:
                self.whole.blur("")

    def _called(self, call: ast.Call, names: dict[str, Value]) -> None:
        """Follow a call whose value is not used."""
        positional, named = self.arguments(call, names)
        match call.func:
            case ast.Attribute(value=ast.Call(func=ast.Name(id="super")), attr="__init__"):
                self._bases(self.source.classes[self.kind], positional, named)
            case ast.Attribute(value=ast.Name(id="self"), attr="register_buffer"):
                name = positional[0] if positional and isinstance(positional[0], str) else None
                if name is None:
                    self.whole.blur("")
                else:
                    self.whole.tensors[name] = Expected(required=False)
            case ast.Attribute(value=ast.Name(id="self"), attr=name):
                if name not in QUIET:
                    self.whole.blur("")
            case ast.Attribute(value=ast.Attribute(value=ast.Name(id="self"), attr=name)):
                self.whole.blur(name)
            case ast.Name(id="setattr"):
                self.whole.blur("")


def _blur(whole: dict[str, Value], other: Mapping[str, Value]) -> None:
    """Open what a branch that may not be taken changed."""
    for name, value in other.items():
        if whole.get(name, OPEN) is not value:
            whole[name] = OPEN


def _function(definition: ast.ClassDef, name: str) -> ast.FunctionDef | None:
    inner = (each for each in definition.body if isinstance(each, ast.FunctionDef))
    return next((each for each in inner if each.name == name), None)


def _bound(
    init: ast.FunctionDef, positional: Sequence[Value], named: Mapping[str, Value]
) -> dict[str, Value]:
    """Return the values of parameters."""
    places = [each.arg for each in (*init.args.posonlyargs, *init.args.args)][1:]
    values = dict.fromkeys((*places, *(each.arg for each in init.args.kwonlyargs)), OPEN)
    filled = zip(places[::-1], init.args.defaults[::-1], strict=False)
    defaults = {n: d.value for n, d in filled if isinstance(d, ast.Constant)}
    return values | defaults | dict(zip(places, positional, strict=False)) | dict(named)
