"""What a completion proposes: options, parts, values, names, steps, models, files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args, get_origin

from composer.backends import BACKENDS
from composer.compiler.graph import shipped
from composer.compiler.graph.option_types import is_model, unwrap
from composer.compiler.plan.explain import explain_backend, explain_part, explain_step
from composer.editor.hover import KINDS, about_text, option_text
from composer.editor.slots import SIGNAL, TYPES, kinds_at, takes
from composer.methods import TEMPLATES, Rule, Template, find_part, parts
from composer.steps import STEPS
from composer.syntax import tree
from composer.syntax.lexemes import STATEMENTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from composer.compiler.graph.scope import Scope
    from composer.editor.slots import Called

MOST_FILES = 200


@dataclass(frozen=True, slots=True)
class Item:
    """A proposal. `insert` is what is written, `$0` in it where the cursor goes then."""

    label: str
    kind: str
    detail: str = ""
    text: str = ""
    insert: str = ""

    @property
    def plain(self) -> str:
        """What is written by an editor that moves no cursor."""
        return (self.insert or self.label).replace("$0", "")


def statements() -> Iterator[Item]:
    """Propose the words that begin a statement."""
    yield from (Item(word, "keyword", insert=f"{word} $0") for word in STATEMENTS.values())


def names(scope: Scope) -> Iterator[Item]:
    """Propose the names that are visible in a scope."""
    for name in dict.fromkeys(scope.visible()):
        binding = scope.find(name)
        statement = binding.statement if binding else None
        kind = KINDS.get(type(statement), "use")
        called = isinstance(statement, tree.Def | tree.Use) and not getattr(statement, "names", ())
        detail = statement.place.text.split("\n")[0] if statement else ""
        yield Item(name, kind, detail, insert=f"{name}($0)" if called else "")


def steps() -> Iterator[Item]:
    """Propose the steps that are written by name."""
    for name, step in STEPS.items():
        if not step.sign:
            about = explain_step(step)
            yield Item(name, "step", about.title, about_text(about), f"{name}($0)")


def backends() -> Iterator[Item]:
    """Propose where a model may come from."""
    for name, backend in BACKENDS.items():
        about = explain_backend(backend)
        quoted = "" if name == "fake" else '"'
        insert = f"{name}({quoted}$0{quoted})"
        yield Item(name, "backend", backend.summary(), about_text(about), insert)


def zoo_models() -> Iterator[Item]:
    """Propose the models that ship with the package."""
    from composer import zoo

    for name in zoo.names():
        yield Item(name, "model", _carded(name))


def options(called: Called, named: set[str], *, bare: bool) -> Iterator[Item]:
    """Propose the options of a call that are not given yet."""
    own_options = called.about.options if called.about else {}
    for name in called.params:
        if name not in named:
            yield Item(name, "option", insert="" if bare else f"{name} = $0")
    for name, option in own_options.items():
        if name not in named:
            insert = "" if bare else f"{name} = $0"
            yield Item(name, "option", option.line, option_text(option), insert)


def values(hint: object, scope: Scope) -> Iterator[Item]:
    """Propose values of an option's type: parts, templates, signals, words, parameters."""
    if takes(hint, Template):
        for name, template in TEMPLATES.items():
            yield Item(name, "template", "a template", template.text)
    for kind in kinds_at(hint):
        in_rule = kind == SIGNAL and takes(hint, Rule)
        yield from _signals(kind) if in_rule else _parts(kind)
    yield from words(_literals(hint), "")
    kinds = (tree.Param, tree.Let, *((tree.Model,) if is_model(unwrap(hint)[0]) else ()))
    for name in dict.fromkeys(scope.visible()):
        binding = scope.find(name)
        if binding and isinstance(binding.statement, kinds):
            yield Item(name, KINDS[type(binding.statement)], binding.statement.place.text)


def words(among: Iterable[str], detail: str) -> Iterator[Item]:
    """Propose plain words."""
    yield from (Item(word, "value", detail) for word in among)


def types() -> Iterator[Item]:
    """Propose the types of a parameter."""
    yield from words((*TYPES, "model"), "a type")
    yield Item("list", "value", "a type", insert="list[$0]")


def files(folder: Path) -> Iterator[Item]:
    """Propose the recipes beside this one, then the shipped ones."""
    for base, detail in ((folder, "in this folder"), (shipped(), "shipped")):
        for path in sorted(base.glob("**/*.ens"))[:MOST_FILES]:
            yield Item(path.relative_to(base).as_posix(), "file", detail)


def _carded(name: str) -> str:
    """Say what a zoo model's card does in a line."""
    from composer import zoo

    try:
        card = zoo.card(name)
    except (OSError, ValueError):
        return ""
    return f"{card['architecture']}, {card['parameters']:,} parameters"


def _parts(kind: str) -> Iterator[Item]:
    for name in parts().get(kind, {}):
        part = find_part(kind, name)
        if part is not None:
            about = explain_part(kind, part)
            insert = f"{name}($0)"
            yield Item(name, "part", about.title, about_text(about), insert)


def _signals(kind: str) -> Iterator[Item]:
    for name, part in parts()[kind].items():
        insert = f"{name}($0)" if part.model_fields else ""
        yield Item(name, "signal", part.summary(), insert=insert)


def _literals(hint: object) -> Iterator[str]:
    """Yield the words that a type knows: of a choice, `true` and `false`, `none`."""
    if hint is bool:
        yield from ("true", "false")
    elif hint is type(None):
        yield "none"
    elif get_origin(hint) is Literal:
        yield from (str(each) for each in get_args(hint))
    elif get_origin(hint) is not tuple:
        for each in get_args(hint):
            yield from _literals(each)
