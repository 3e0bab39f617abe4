"""Jinja2 for templates that others wrote: sandboxed, and under limits of time and size.

Nothing of a template is worked out while it is compiled, whatever constants it holds. What it may
use up is counted by filters that are put around its expressions, and by the environment.
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView, ValuesView
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

from jinja2 import TemplateError, TemplateSyntaxError, Undefined, nodes, pass_context
from jinja2.ext import Extension
from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from composer.sandbox import sizes
from composer.sandbox.counting import CountingVisitor
from composer.sandbox.meter import ITEM, METER, LimitError, Limits, Meter, counted_list

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from jinja2 import Template
    from jinja2.parser import Parser
    from jinja2.runtime import Context

T = TypeVar("T")

__all__ = ["Environment", "GenerationTag", "compile_template", "parse_template", "render_template"]

_LONGEST = 1_000_000
_UNREAL = (SyntaxError, RecursionError, MemoryError, ValueError, OverflowError)
_FAILED = (
    *(TypeError, ValueError, ArithmeticError, LookupError, AttributeError),
    *(RuntimeError, MemoryError, AssertionError),
)


class Environment(ImmutableSandboxedEnvironment):
    """A sandbox that counts what a template uses up and refuses what would be too large."""

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%", "**"})

    def __init__(self, undefined: type[Undefined], *extensions: type[Extension] | str) -> None:
        super().__init__(
            undefined=undefined,
            extensions=extensions,
            autoescape=False,
            trim_blocks=True,
            lstrip_blocks=True,
            optimized=False,
        )
        del self.globals["lipsum"]
        for table in (self.filters, self.tests):
            _guard(table)
        self.filters |= {" step": _step, " light": _light, " made": _made, " joined": _concat}

    def add_filter(self, name: str, function: Callable[..., Any]) -> None:
        """Put a filter in, or in place of another."""
        self.filters[name] = _guarded(name, function)

    def call_binop(self, context: Context, operator: str, left: object, right: object) -> object:
        """Work an operator out, if its result is not too large."""
        sizes.check_operation(operator, left, right)
        return super().call_binop(context, operator, left, right)

    def call(self, context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as jinja2 has it
        """Call something, if its result is not too large."""
        METER.get().step()
        owner = getattr(getattr(obj, "__wrapped__", obj), "__self__", None)
        name = getattr(obj, "__name__", "")
        if not isinstance(owner, str | bytes | int):
            return _counted(super().call(context, obj, *args, **kwargs), deep=False)
        values = _listed(args)
        sizes.check_method(owner, name, values, kwargs)
        return _counted(super().call(context, obj, *values, **kwargs))

    def getitem(self, obj: Any, argument: Any) -> Any:  # noqa: ANN401 - as jinja2 has it
        """Take an item, by a key that is not too large to be hashed."""
        METER.get().weigh(argument)
        return super().getitem(obj, argument)


class GenerationTag(Extension):
    """`{% generation %}...{% endgeneration %}`, which marks what an assistant says: no more."""

    tags = {"generation"}  # noqa: RUF012 - as jinja2 has it

    def parse(self, parser: Parser) -> nodes.Node:
        """Read the block as what stands in it."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body, lineno=line)


def parse_template(environment: Environment, text: str) -> nodes.Template:
    """Read a template and compile it to nothing; raises TemplateSyntaxError, in words."""
    if len(text) > _LONGEST:
        raise TemplateSyntaxError(f"a template may have at most {_LONGEST:,} characters", 1)
    try:
        tree = environment.parse(text)
        _code(environment, environment.parse(text))
    except _UNREAL as error:
        raise TemplateSyntaxError("the brackets of the template are nested too deep", 1) from error
    return tree


def compile_template(environment: Environment, text: str) -> Template:
    """Compile a template, with counting put in; raises TemplateSyntaxError."""
    if len(text) > _LONGEST:
        raise TemplateSyntaxError(f"a template may have at most {_LONGEST:,} characters", 1)
    try:
        code = _code(environment, environment.parse(text))
    except _UNREAL as error:
        raise TemplateSyntaxError("the brackets of the template are nested too deep", 1) from error
    return environment.template_class.from_code(environment, code, environment.make_globals(None))


def render_template(template: Template, values: Mapping[str, object], limits: Limits) -> str:
    """Fill a template in; raises jinja2's TemplateError, for whatever goes wrong in it."""
    meter = Meter(limits)
    token = METER.set(meter)
    try:
        return template.render(values)
    except LimitError as error:
        raise TemplateError(str(error)) from error
    except _FAILED as error:
        deep = isinstance(error, RecursionError)
        raise TemplateError("it calls itself too often" if deep else str(error)) from error
    finally:
        METER.reset(token)


def _code(environment: Environment, tree: nodes.Template) -> Any:  # noqa: ANN401 - a code object
    return environment.compile(CountingVisitor().visit(tree))


def _guard(table: dict[str, Any]) -> None:
    """Guard all filters or tests of an environment."""
    for name, function in list(table.items()):
        table[name] = _guarded(name, function)


def _guarded(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Put a check of sizes before a filter or a test, and count what it makes."""
    first = 1 if hasattr(function, "jinja_pass_arg") else 0

    @wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as jinja2 has it
        values = _listed(args[first:])
        value, *others = values or [None]
        sizes.check_filter(name, value, others, kwargs)
        return _counted(function(*args[:first], *values, **kwargs))

    return guarded


def _listed(values: Iterable[Any]) -> list[Any]:
    """Write out what comes one by one, so that its size is known; a loop stays what it is."""
    return [
        counted_list(value)
        if isinstance(value, Iterator | KeysView | ItemsView | ValuesView)
        and not isinstance(value, LoopContext)
        else value
        for value in values
    ]


def _counted(value: T, *, deep: bool = True) -> T:
    """Count what was made: texts with all that they hold, or only how many items there are."""
    meter = METER.get()
    if deep and isinstance(value, str | bytes):
        meter.make(len(value))
    elif isinstance(value, list | tuple | dict):
        meter.make(ITEM * len(value))
    return value


@pass_context
def _step(_context: Context, value: object) -> object:
    METER.get().step()
    return value


@pass_context
def _light(_context: Context, value: object) -> object:
    METER.get().weigh(value)
    return value


@pass_context
def _made(_context: Context, value: object) -> object:
    meter = METER.get()
    meter.step()
    meter.make(meter.weigh(value))
    return value


@pass_context
def _concat(_context: Context, values: list[object]) -> str:
    meter = METER.get()
    meter.step()
    meter.make(meter.weigh(*values))
    return "".join(map(str, values))
