"""What is said of steps, parts and backends: by `compose explain`, and by editors."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, get_args

from composer.compiler.graph.option_types import hint_of, kind_name, type_text
from composer.compiler.plan.option_text import option_text
from composer.methods.table import kinds_of
from composer.steps import STEPS
from composer.steps.asking import PLACES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic.fields import FieldInfo

    from composer.backends import Declaration
    from composer.steps import Step
    from composer.values import Typed

SIGNAL = "signal"
"""The kind of parts that stand in conditions."""

SENTENCE = re.compile(r"(?<=[.:])\s+(?=[A-Z`])|\n\n")


@dataclass(frozen=True, slots=True)
class ExplainedOption:
    """One option: its type, its default in the notation of the language, what is said of it."""

    name: str
    field: FieldInfo
    text: str

    @property
    def hint(self) -> object:
        """The type of its values."""
        return hint_of(self.field)

    @property
    def wants(self) -> str:
        """The type in words."""
        return type_text(self.hint)

    @property
    def default(self) -> str | None:
        """The default as a recipe would write it; None where a value is needed."""
        return None if self.field.is_required() else option_text(self.value)

    @property
    def value(self) -> object:
        """The default itself."""
        return self.field.get_default(call_default_factory=True, validated_data={})

    @property
    def line(self) -> str:
        """The name and the default."""
        return f"{self.name} {'required' if self.default is None else f'= {self.default}'}"


@dataclass(frozen=True, slots=True)
class Explanation:
    """All that is said of something that is called."""

    name: str
    title: str
    text: str
    options: Mapping[str, ExplainedOption]
    paper: str = ""
    brackets: tuple[str, ...] = ()
    used: str = ""

    def lines(self) -> Iterator[str]:
        """Write it as plain text."""
        yield f"{self.name}: {self.title}"
        yield ""
        yield from self.text.splitlines()
        if self.brackets:
            yield from ("", f"in brackets: {', '.join(self.brackets)}")
        if self.options:
            yield from ("", "options")
            yield from (f"  {option.line}" for option in self.options.values())
        if self.used:
            yield from ("", f"used in {self.used}")
        if self.paper:
            yield from ("", f"paper: {self.paper}")


def explain_step(step: Step) -> Explanation:
    """Say what a step takes and gives, what it does, and its options."""
    takes = " or ".join(sorted(p.value for p in step.wire.ports)) if step.wire else "nothing"
    gives = "what it is given" if step.gives_same else step.gives.value
    named = tuple(f"{'*' if i.variadic else ''}{i.name}" for i in step.arguments)
    text = inspect.getdoc(step.function) or ""
    title = f"takes {takes}, gives {gives}"
    return Explanation(
        step.name, title, text, _options(step.public_options, text), step.paper, named
    )


def explain_part(kind: str, part: type[Typed]) -> Explanation:
    """Say what kind of part it is, what it does, and its options."""
    about = _typed(part, kind_name(part))
    used = ", ".join(f"`{user}`" for user in users_of(kind))
    return replace(about, used=used)


def explain_backend(backend: type[Declaration]) -> Explanation:
    """Say where a backend's models come from, and its options; every model has some more."""
    about, step = _typed(backend, "a backend of models"), STEPS["model"]
    without = () if backend.has_weights else PLACES
    fields = {name: each for name, each in step.public_options.items() if name not in without}
    every = _options(fields, inspect.getdoc(step.function) or "")
    return replace(about, options={**about.options, **every, **about.options})


def users_of(kind: str) -> list[str]:
    """Return the options that take a part of this kind, as a recipe would write them."""
    return [
        f"{step.name}({name} = ...)"
        for step in STEPS.values()
        if step.named
        for name, field in step.public_options.items()
        if kind in kinds_of(hint_of(field)) or (kind == SIGNAL and _is_rule(hint_of(field)))
    ]


def _typed(kind: type[Typed], title: str) -> Explanation:
    text = inspect.getdoc(kind) or ""
    fields = {name: kind.model_fields[name] for name in kind.positional()}
    return Explanation(kind.name, title, text, _options(fields, text), kind.paper)


def _options(fields: Mapping[str, FieldInfo], text: str) -> dict[str, ExplainedOption]:
    return {
        name: ExplainedOption(name, field, _said_of(name, text) or field.description or "")
        for name, field in fields.items()
    }


def _said_of(name: str, text: str) -> str:
    """Take the sentences out of a docstring that name an option."""
    sentences = (" ".join(sentence.split()) for sentence in SENTENCE.split(text))
    return " ".join(sentence for sentence in sentences if f"`{name}`" in sentence)


def _is_rule(hint: object) -> bool:
    """Say whether an option takes a condition, alone or among others."""
    from composer.methods import Rule

    return hint is Rule or Rule in get_args(hint)
