"""How a step is declared: a decorated function whose signature says everything about it.

The annotations give the ports: the first value that is not a model is the wire, `Model` and
`*members: Model` are models given in brackets, `Later[...]` is a branch that the step may or may
not run, anything else is an option, and `ask` is the way to models. The compiler, the command
line, the docs and the executor read the same :class:`Step`; nothing is declared twice.
"""

from __future__ import annotations

import enum
import inspect
import types
import typing
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, create_model

from composer.models.capability import Capability
from composer.ports import Later, Port, port_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOTHING = Capability(0)

SAME = "same"
"""Given as `gives`: the step returns what it was given on its wire, or by its first branch."""


class Role(enum.Enum):
    """What a step receives for an input: the value itself, or a branch to call."""

    VALUE = "value"
    LATER = "later"


@dataclass(frozen=True, slots=True)
class Input:
    """An input of a step. A variadic one takes any number, an optional one may be left out."""

    name: str
    role: Role
    ports: frozenset[Port]
    variadic: bool = False
    optional: bool = False

    @property
    def is_model(self) -> bool:
        """Whether models are what this input takes."""
        return self.ports == {Port.MODEL}


@dataclass(frozen=True, eq=False)
class Step:
    """A step of the language, read from its function's signature.

    `needs` is what each of its models must be able to do; `formula` says that its members may be
    written as arithmetic; `hidden` names options that only the compiler sets; a step with `sign`
    is written by that sign of the language and not by name.
    """

    name: str
    function: Callable[..., Any]
    paper: str = ""
    needs: Capability = NOTHING
    gives_same: bool = False
    formula: bool = False
    sign: str = ""
    hidden: frozenset[str] = frozenset()

    @property
    def summary(self) -> str:
        """The first sentence of the docstring."""
        return (inspect.getdoc(self.function) or "").split("\n")[0]

    @cached_property
    def _parameters(self) -> tuple[tuple[inspect.Parameter, Any], ...]:
        hints = typing.get_type_hints(self.function, include_extras=True)
        parameters = inspect.signature(self.function).parameters.values()
        return tuple((p, hints[p.name]) for p in parameters)

    @cached_property
    def inputs(self) -> tuple[Input, ...]:
        """The wire (if the step has one), then models and branches in order."""
        return tuple(_inputs(self._parameters))

    @cached_property
    def wire(self) -> Input | None:
        """What comes over `->`; None for a step that stands without one, like a fuse."""
        first = self.inputs[0] if self.inputs else None
        takes = first and first.role is Role.VALUE and not first.is_model and not first.variadic
        return first if takes else None

    @cached_property
    def arguments(self) -> tuple[Input, ...]:
        """The inputs that are written in brackets."""
        return self.inputs[1:] if self.wire else self.inputs

    @cached_property
    def asks(self) -> bool:
        """Whether the function wants an Asker."""
        return any(p.name == "ask" for p, _ in self._parameters)

    @cached_property
    def gives(self) -> Port:
        """The port of the result (for `gives=SAME`, of the widest possible one)."""
        hints = typing.get_type_hints(self.function)
        return next(iter(_ports(hints["return"])))

    @cached_property
    def positional(self) -> tuple[str, ...]:
        """Options that may be given without their name."""
        return tuple(
            p.name
            for p, hint in self._parameters
            if p.kind is p.POSITIONAL_OR_KEYWORD and _is_option(p, hint)
        )

    @cached_property
    def options(self) -> type[BaseModel]:
        """A frozen pydantic model of the options, made from the signature."""
        fields: dict[str, Any] = {
            p.name: (hint, ... if p.default is p.empty else p.default)
            for p, hint in self._parameters
            if _is_option(p, hint)
        }
        config = ConfigDict(
            frozen=True, extra="forbid", arbitrary_types_allowed=True, defer_build=True
        )
        return create_model(f"{self.name}_options", __config__=config, **fields)

    @property
    def public_options(self) -> dict[str, Any]:
        """The options that a recipe may set, by name."""
        fields = self.options.model_fields
        return {name: field for name, field in fields.items() if name not in self.hidden}


DECLARED: dict[str, Step] = {}
"""The steps by name whose files are imported."""


def step(  # noqa: PLR0913 - each is a word a step's author may want
    *,
    paper: str = "",
    needs: Capability = NOTHING,
    gives: str = "",
    formula: bool = False,
    sign: str = "",
    hidden: tuple[str, ...] = (),
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare a function as a step of the language; see the module's docstring."""

    def declare(function: Callable[..., Any]) -> Callable[..., Any]:
        name = function.__name__.rstrip("_")
        same = gives == SAME
        DECLARED[name] = Step(name, function, paper, needs, same, formula, sign, frozenset(hidden))
        return function

    return declare


def _inputs(parameters: tuple[tuple[inspect.Parameter, Any], ...]) -> Iterator[Input]:
    for parameter, hint in parameters:
        if parameter.name == "ask" or parameter.kind is parameter.KEYWORD_ONLY:
            continue
        later = typing.get_origin(hint) is Later
        ports = _ports(typing.get_args(hint)[0] if later else hint)
        if ports:
            role = Role.LATER if later else Role.VALUE
            variadic = parameter.kind is parameter.VAR_POSITIONAL
            optional = parameter.default is not parameter.empty
            yield Input(parameter.name, role, ports, variadic, optional)


def _is_option(parameter: inspect.Parameter, hint: Any) -> bool:  # noqa: ANN401 - any annotation
    if parameter.name == "ask" or parameter.kind is parameter.VAR_POSITIONAL:
        return False
    return typing.get_origin(hint) is not Later and not _ports(hint)


def _ports(hint: Any) -> frozenset[Port]:  # noqa: ANN401 - any annotation
    union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    kinds = typing.get_args(hint) if union else (hint,)
    ports = [port_of(kind) for kind in kinds if kind is not type(None)]
    return frozenset(port for port in ports if port) if all(ports) else frozenset()
