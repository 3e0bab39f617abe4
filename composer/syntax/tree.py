"""The frozen syntax tree that `.ens` text and YAML both load into."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from composer.diagnostics import Place, Source  # noqa: TC001 - the fields' types stay readable at run time

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Name:
    """A name, of a model, a step, a `let`, a parameter."""

    id: str
    place: Place = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Number:
    """A whole or a decimal number; `-3` is one too."""

    value: int | float
    place: Place = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class String:
    """A text; a `template` is one that was written in triple quotes."""

    value: str
    template: bool
    place: Place = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Boolean:
    """`true` or `false`."""

    value: bool
    place: Place = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Null:
    """`none`."""

    place: Place = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Chain:
    """`a -> b -> c`: each stage hands its value on."""

    stages: tuple[Expr, ...]
    place: Place = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Branch:
    """One branch of a bank, perhaps with a name."""

    name: str | None
    value: Expr
    place: Place = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Branches:
    """`[a, b, name: c]`; as an option's value, a list."""

    branches: tuple[Branch, ...]
    place: Place = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a call; `name_place` is the value's where no name was written."""

    name: str | None
    value: Expr
    place: Place = field(compare=False, repr=False)
    name_place: Place = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Call:
    """`function(x, key = y)`."""

    function: str
    arguments: tuple[Argument, ...]
    place: Place = field(compare=False, repr=False)
    function_place: Place = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Fallback:
    """`a | b`: a later choice runs when those before it fail."""

    choices: tuple[Expr, ...]
    place: Place = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Binary:
    """An operator between two operands: or and == != < <= > >= + - * /."""

    op: str
    left: Expr
    right: Expr
    place: Place = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Unary:
    """`not` or `-` before an operand."""

    op: str
    operand: Expr
    place: Place = field(compare=False, repr=False)


Expr: TypeAlias = (
    Name | Number | String | Boolean | Null | Chain | Branches | Call | Fallback | Binary | Unary
)


@dataclass(frozen=True, slots=True)
class Type:
    """The type of a `param`; `item` is what a list holds."""

    name: str
    item: Type | None
    place: Place = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Imported:
    """A name taken from another file, perhaps under an alias; unpacks into its three fields."""

    name: str
    alias: str | None
    place: Place = field(compare=False, repr=False)

    def __iter__(self) -> Iterator[Any]:
        return iter((self.name, self.alias, self.place))


@dataclass(frozen=True, slots=True)
class Use:
    """`use "file" (A, B as C)`, or `use "file" as alias` with no names."""

    file: str
    names: tuple[Imported, ...]
    alias: str | None
    place: Place = field(compare=False, repr=False)
    file_place: Place = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Model:
    """`model A = hf(...)`."""

    name: str
    value: Call
    place: Place = field(compare=False, repr=False)
    name_place: Place = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Param:
    """`param doubt: float = 0.6`, settable from outside."""

    name: str
    type: Type
    value: Expr | None
    place: Place = field(compare=False, repr=False)
    name_place: Place = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Let:
    """`let fused = token_fuse(A, B)`."""

    name: str
    value: Expr
    place: Place = field(compare=False, repr=False)
    name_place: Place = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a `def`, perhaps with a default."""

    name: str
    default: Expr | None
    place: Place = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Def:
    """`def layer(members) = prompt(aggregate) -> members`."""

    name: str
    parameters: tuple[Parameter, ...]
    value: Expr
    place: Place = field(compare=False, repr=False)
    name_place: Place = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Default:
    """`default generate(temperature = 0)`."""

    value: Call
    place: Place = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Example:
    """`example "..."`, answered when no query is given."""

    text: str
    place: Place = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """The bare expression that a recipe answers with."""

    value: Expr
    place: Place = field(compare=False, repr=False)


Statement: TypeAlias = Use | Model | Param | Let | Def | Default | Example | Answer


@dataclass(frozen=True, slots=True)
class File:
    """A recipe as written: its statements in order, and its comments with their places."""

    source: Source
    statements: tuple[Statement, ...]
    comments: tuple[tuple[Place, str], ...] = ()

    @property
    def answer(self) -> Answer | None:
        """The last bare expression, if the file has one."""
        return next((s for s in reversed(self.statements) if isinstance(s, Answer)), None)
