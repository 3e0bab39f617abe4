"""What a function's signature says of a step: its inputs, its options and what it gives."""

from __future__ import annotations

import enum
import inspect
import types
import typing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.values import LazyBranch, MissingAnswer, Port, port_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Parameters = tuple[tuple[inspect.Parameter, object], ...]
"""The parameters of a function, each with its annotation."""


class Role(enum.Enum):
    """What a step receives for an input: the value itself, or a branch to call."""

    VALUE = "value"
    LATER = "later"


@dataclass(frozen=True, slots=True)
class Input:
    """An input of a step. A variadic one takes any number, an optional one may be left out.

    One that is `tried` may fail: the step is given the failure, and says what becomes of it.
    """

    name: str
    role: Role
    ports: frozenset[Port]
    variadic: bool = False
    optional: bool = False
    tried: bool = False

    @property
    def is_model(self) -> bool:
        """Whether models are what this input takes."""
        return self.ports == {Port.MODEL}


def parameters_of(function: Callable[..., object]) -> Parameters:
    """Return the parameters of a function."""
    hints = typing.get_type_hints(function, include_extras=True)
    return tuple((p, hints[p.name]) for p in inspect.signature(function).parameters.values())


def inputs_of(parameters: Parameters) -> Iterator[Input]:
    """Yield the inputs among parameters: the wire, models and branches."""
    for parameter, hint in parameters:
        if parameter.name == "ask" or parameter.kind is parameter.KEYWORD_ONLY:
            continue
        later = typing.get_origin(hint) is LazyBranch
        ports = ports_of(typing.get_args(hint)[0] if later else hint)
        if ports:
            role = Role.LATER if later else Role.VALUE
            variadic = parameter.kind is parameter.VAR_POSITIONAL
            optional = parameter.default is not parameter.empty
            tried = MissingAnswer in typing.get_args(hint)
            yield Input(parameter.name, role, ports, variadic, optional, tried)


def is_option(parameter: inspect.Parameter, hint: object) -> bool:
    """Say whether a parameter is an option."""
    if parameter.name == "ask" or parameter.kind is parameter.VAR_POSITIONAL:
        return False
    named = parameter.kind is parameter.KEYWORD_ONLY and ports_of(hint) == {Port.MODEL}
    return named or not (typing.get_origin(hint) is LazyBranch or ports_of(hint))


def ports_of(hint: object) -> frozenset[Port]:
    """Return the ports of the values that an annotation names; none, where it names another."""
    union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    kinds = typing.get_args(hint) if union else (hint,)
    ports = [port_of(kind) for kind in kinds if kind not in (type(None), MissingAnswer)]
    return frozenset(port for port in ports if port) if all(ports) else frozenset()
