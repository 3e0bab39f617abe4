"""What a word of a recipe means: the subject of a hover, and where it is defined."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.backends import BACKENDS
from composer.compiler.graph.scope import bound_value
from composer.compiler.plan.explain import ExplainedOption, Explanation, explain_backend
from composer.editor.slots import BACKEND, called, kinds_at, parts_named, slot, step_named, takes
from composer.methods import TEMPLATES, Template, parts
from composer.syntax import tree

if TYPE_CHECKING:
    from composer.compiler.graph.scope import Binding
    from composer.diagnostics import Place
    from composer.editor.buffer import Buffer
    from composer.editor.cursor import Cursor
    from composer.editor.slots import Slot


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of the `def` around the cursor, or of one that is called."""

    name: str
    place: Place


@dataclass(frozen=True, slots=True)
class Named:
    """A template that ships with the project."""

    name: str
    template: Template


Subject = Explanation | ExplainedOption | Parameter | Named
"""What else a word may mean than a name of the recipe or a used file."""


def subject(buffer: Buffer, at: Cursor) -> Subject | Binding | tree.Use | None:
    """Find out what the word at a cursor means, if it means anything."""
    word = at.word
    if word is None or word.type != "NAME":
        return buffer.used(at.offset)
    if at.names_option:
        return _option(buffer, at, word.text)
    if buffer.is_yaml or at.head == "USE":
        binding = buffer.imported(at.offset) or buffer.scope.find(word.text)
        return binding or (_anywhere(buffer, word.text) if buffer.is_yaml else None)
    if at.following == "COLON" and at.inner is not None and at.inner.bank:
        return None
    if word.text in at.parameters:
        return Parameter(word.text, at.parameters[word.text].place)
    return _meant(buffer, slot(buffer, at), word.text)


def _option(buffer: Buffer, at: Cursor, name: str) -> ExplainedOption | Parameter | Binding | None:
    """Look an option up in what is called; a parameter of a `def` or of a recipe is one too."""
    call = called(buffer, at)
    if call is None:
        return None
    param = call.params.get(name)
    if isinstance(param, tree.Parameter):
        return Parameter(name, param.place)
    return param or (call.about.options.get(name) if call.about else None)


def _meant(buffer: Buffer, here: Slot, name: str) -> Explanation | Named | Binding | None:
    """Look a name up where it stands: values and parts first where an option's value is wanted."""
    binding = buffer.scope.find(name)
    if here.wants == BACKEND:
        return explain_backend(BACKENDS[name]) if name in BACKENDS else binding
    if here.hint is not None and (binding is None or bound_value(binding) is None):
        return _value(here.hint, name) or binding
    return binding or step_named(name)


def _anywhere(buffer: Buffer, name: str) -> Explanation | Binding | None:
    """Look a word of YAML up in everything that has a name."""
    target = buffer.scope.find(name) or step_named(name) or parts_named(name, parts())
    if target is None and name in BACKENDS:
        return explain_backend(BACKENDS[name])
    return target


def _value(hint: object, name: str) -> Explanation | Named | None:
    """Find what a name stands for among the values of a type."""
    if takes(hint, Template) and name in TEMPLATES:
        return Named(name, TEMPLATES[name])
    return parts_named(name, kinds_at(hint))
