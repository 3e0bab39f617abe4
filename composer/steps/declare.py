"""How a step is declared: a decorated function whose signature says everything about it.

The annotations give the ports: the first value that is not a model is the wire, `Model` and
`*members: Model` are models given in brackets, `LazyBranch[...]` is a branch that the step may or
may not run, anything else is an option, and `ask` is the way to models. Models among the options
(`*, reward: Model`, or in a part) are inputs of the step like those in brackets. The compiler, the
command line, the docs and the executor read the same :class:`Step`; nothing is declared twice.
"""

from __future__ import annotations

import inspect
import typing
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Annotated, Any, Generic, ParamSpec, TypeVar

from pydantic import BaseModel, ConfigDict, Field, create_model

from composer.specs import Checkpoint, Fuse, WeightedFuse
from composer.steps.signature import (
    Input,
    Parameters,
    Role,
    inputs_of,
    is_option,
    parameters_of,
    ports_of,
)
from composer.steps.site import Complaint, Site
from composer.steps.traits import Check, Count, Enough, Hooks, Otherwise, Traits
from composer.values import Port

P = ParamSpec("P")
R = TypeVar("R")


SAME = "same"
"""Given as `gives`: the step returns what it was given on its wire, or by its first branch."""

LONE_SAME = "lone_same"
"""Given as `gives`: the same, where that is all that it was given."""

Seconds = Annotated[float, Field(gt=0)]

TIMEOUT = "The seconds after which it is given up, and counts as failed; loading does not count."

LIMITS: dict[str, Any] = {"timeout": (Seconds | None, Field(None, description=TIMEOUT))}
"""The options of every step that waits for others; its function is not given them."""


@dataclass(frozen=True, eq=False)
class Step(Traits):
    """A step of the language, read from its function's signature, with the hooks beside it."""

    name: str
    function: Callable[..., Any]
    gives_same: bool = False
    lone_same: bool = False
    hooks: Hooks = field(default_factory=Hooks)

    @property
    def summary(self) -> str:
        """The first sentence of the docstring."""
        return (inspect.getdoc(self.function) or "").split("\n")[0]

    @cached_property
    def _parameters(self) -> Parameters:
        return parameters_of(self.function)

    @cached_property
    def inputs(self) -> tuple[Input, ...]:
        """The wire (if the step has one), then models and branches in order."""
        return tuple(inputs_of(self._parameters))

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
        ports = ports_of(typing.get_type_hints(self.function)["return"])
        return Port.CANDIDATES if Port.CANDIDATES in ports else next(iter(ports))

    @cached_property
    def positional(self) -> tuple[str, ...]:
        """Options that may be given without their name."""
        return tuple(
            p.name
            for p, hint in self._parameters
            if p.kind is p.POSITIONAL_OR_KEYWORD and is_option(p, hint)
        )

    @cached_property
    def options(self) -> type[BaseModel]:
        """A frozen pydantic model of the options, made from the signature."""
        fields: dict[str, Any] = {
            p.name: (hint, ... if p.default is p.empty else p.default)
            for p, hint in self._parameters
            if is_option(p, hint)
        }
        if self.limited:
            fields |= LIMITS
        config = ConfigDict(
            frozen=True, extra="forbid", arbitrary_types_allowed=True, defer_build=True
        )
        with warnings.catch_warnings():
            # An option may be called as an old method of pydantic's, such as `schema`.
            warnings.filterwarnings("ignore", "Field name .* shadows an attribute", UserWarning)
            return create_model(f"{self.name}_options", __config__=config, **fields)

    @property
    def limited(self) -> bool:
        """Whether it takes time that can be limited: it asks somebody, and waits for them."""
        return not self.sign and self.asks and inspect.iscoroutinefunction(self.function)

    @property
    def gathers(self) -> bool:
        """Whether its branches may fail, as long as enough of them answer: as its `min` says."""
        return any(node.tried and node.variadic for node in self.inputs)

    @property
    def named(self) -> bool:
        """Whether a `default` statement may name it."""
        return not self.sign or self.defaulted

    @property
    def public_options(self) -> dict[str, Any]:
        """The options that a recipe may set, by name."""
        fields = self.options.model_fields
        return {name: field for name, field in fields.items() if name not in self.hidden}

    @property
    def passes_on(self) -> bool:
        """Whether the model that it gives is its first one, under another prompt or weights."""
        return (
            self.gives is Port.MODEL
            and not (self.fuses or self.gives_checkpoint)
            and bool(self.inputs)
        )

    @cached_property
    def _returns(self) -> type:
        kind = typing.get_type_hints(self.function).get("return")
        return kind if isinstance(kind, type) else object

    @property
    def fuses(self) -> type[Fuse] | None:
        """The kind of fuse that it makes, by what it returns."""
        return self._returns if issubclass(self._returns, Fuse) else None

    @property
    def gives_checkpoint(self) -> bool:
        """Whether what it makes is one set of weights: a declared or a derived model."""
        return issubclass(self._returns, Checkpoint)

    @property
    def weighed(self) -> bool:
        """Whether the members of what it makes have weights, which a route can multiply."""
        return self.fuses is not None and issubclass(self.fuses, WeightedFuse)

    def check(self, hook: Check) -> Check:
        """Register what is wrong with a use of the step, as soon as all of it is known."""
        self.hooks.checks.append(hook)
        return hook

    def counts(self, hook: Count) -> Count:
        """Register how many answers the step gives, for one that gives several."""
        self.hooks.count = hook
        return hook

    def calls(self, hook: Count) -> Count:
        """Register how often the step asks each of its models, at most, if that is known."""
        self.hooks.calls = hook
        return hook

    def enough(self, hook: Enough) -> Enough:
        """Register what is missing, by the ports of all inputs; asked where a recipe is read."""
        self.hooks.enough = hook
        return hook

    def otherwise(self, hook: Otherwise) -> Otherwise:
        """Register what the step gives where it fails, also by its `timeout`, by its inputs.

        The failure is noted as that of a branch which the answer goes on without.
        """
        self.hooks.otherwise = hook
        return hook

    def settles(self, option: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """Register what stands for an option that is left open, by the options that it names."""

        def register(hook: Callable[P, R]) -> Callable[P, R]:
            self.hooks.settles[option] = hook
            return hook

        return register

    def lacking(self, given: Sequence[Port]) -> Complaint | None:
        """Return what is missing where the step is given inputs of these ports."""
        needed = sum(not node.optional and not node.variadic for node in self.inputs)
        if self.inputs and self.inputs[-1].variadic and not self.wire:
            needed = 1
        if len(given) < needed:
            return self.without(self.inputs[min(len(given), len(self.inputs) - 1)])
        return None if self.hooks.enough is None else self.hooks.enough(given)

    def without(self, missing: Input) -> Complaint:
        """Say that an input is missing."""
        name = missing.name
        return Complaint("E206", f"`{self.name}` needs `{name}`", f"`{name}` is missing")

    def count(self, site: Site) -> int | None:
        """Return how many answers a use of the step gives, if that is known."""
        return None if self.hooks.count is None else self.hooks.count(site)

    def settled(self, options: BaseModel) -> dict[str, object]:
        """Return what stands for the options that are left open, where the step settles that."""
        defaults = {}
        for option, hook in self.hooks.settles.items():
            if getattr(options, option) is None:
                parameters = inspect.signature(hook).parameters
                defaults[option] = hook(**{name: getattr(options, name) for name in parameters})
        return defaults


DECLARED: dict[str, Step] = {}
"""The steps by name whose files are imported."""


class DeclaredStep(Step, Generic[P, R]):
    """A step that is called like the function it was made from."""

    def __call__(self, *args: P.args, **options: P.kwargs) -> R:
        """Do the work of the step."""
        result: R = self.function(*args, **options)
        return result


@dataclass(frozen=True, eq=False, kw_only=True)
class step(Traits):  # noqa: N801 - a decorator
    """Declares a function as a step of the language; see the module's docstring."""

    gives: str = ""

    def __call__(self, function: Callable[P, R]) -> DeclaredStep[P, R]:
        """Return the step, under the function's name."""
        name = function.__name__.rstrip("_")
        traits = {trait.name: getattr(self, trait.name) for trait in fields(Traits)}
        same, lone = self.gives == SAME, self.gives == LONE_SAME
        declared = DeclaredStep[P, R](name, function, gives_same=same, lone_same=lone, **traits)
        DECLARED[name] = declared
        return declared
