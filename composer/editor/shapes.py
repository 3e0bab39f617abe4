"""Types of options as JSON schema, for values as YAML writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

from composer.compiler.graph.option_types import is_kind, is_union
from composer.methods import Rule, Template, kind_of
from composer.values import Typed
from composer.values.typed import Variables

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from composer.compiler.plan.explain import ExplainedOption

Shape = dict[str, Any]

ARGUMENTS = "arguments"

LIMITS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}
PLAIN: dict[object, Shape] = {
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
}


def refer(name: str) -> Shape:
    """Refer to a definition."""
    return {"$ref": f"#/definitions/{name}"}


def either(*shapes: Shape) -> Shape:
    """Take any of several shapes, each once."""
    flat = [inner for shape in shapes for inner in shape.get("anyOf", [shape])]
    distinct = [each for at, each in enumerate(flat) if each not in flat[:at]]
    return distinct[0] if len(distinct) == 1 else {"anyOf": distinct}


def listed(inner: Shape) -> Shape:
    """Take a list."""
    return {"type": "array", "items": inner}


def mapping(properties: Mapping[str, Shape], required: Iterable[str] = ()) -> Shape:
    """Take a mapping with these keys and no others."""
    needed = {"required": list(required)} if required else {}
    return {
        "type": "object",
        "properties": dict(properties),
        **needed,
        "additionalProperties": False,
    }


def option(each: ExplainedOption) -> Shape:
    """Give the shape of an option, with its default and what is said of it."""
    shape = either(_limited(shape_of(each.field.annotation), each.field.metadata), expression())
    default = {} if each.default is None else {"default": _default(each)}
    required = "required" if each.default is None else f"default `{each.default}`"
    description = f"{each.wants}, {required}. {each.text}".strip()
    return {"description": description, **shape, **default}


def expression() -> Shape:
    """Take whatever the expression grammar can say: a parameter, `env("NAME")`, a sum."""
    return refer("expression")


def shape_of(hint: object) -> Shape:  # noqa: PLR0911 - one case each
    """Give the shape of a type."""
    if get_origin(hint) is Annotated:
        inner, *marks = get_args(hint)
        limits = [limit for mark in marks for limit in getattr(mark, "metadata", [mark])]
        return _limited(shape_of(inner), limits)
    if is_union(hint):
        return either(*(shape_of(each) for each in get_args(hint)))
    if get_origin(hint) is Literal:
        return {"enum": list(get_args(hint))}
    if hint == Variables:
        return either({"type": "object"}, {"type": "array"})
    if get_origin(hint) is tuple:
        return _tuple(get_args(hint))
    if hint is str or is_kind(hint, Template):
        return either(refer("text"), expression())
    if is_kind(hint, Rule):
        return either(expression(), {"type": "boolean"})
    if is_kind(hint, Typed):
        return refer(f"part.{kind_of(hint)}")
    return PLAIN.get(hint, expression())


def _tuple(of: tuple[object, ...]) -> Shape:
    if of[-1] is Ellipsis:
        return listed(either(shape_of(of[0]), expression()))
    items = [either(shape_of(each), expression()) for each in of]
    return {"type": "array", "items": items, "minItems": len(of), "maxItems": len(of)}


def _limited(shape: Shape, marks: Iterable[object]) -> Shape:
    """Add the limits of a number, wherever it stands in the shape."""
    limits = {
        key: getattr(mark, name)
        for mark in marks
        for name, key in LIMITS.items()
        if getattr(mark, name, None) is not None
    }
    if not limits:
        return shape
    if "anyOf" in shape:
        return {"anyOf": [_limited(each, marks) for each in shape["anyOf"]]}
    return {**shape, **limits} if shape.get("type") in ("integer", "number") else shape


def _default(each: ExplainedOption) -> object:
    """Give a default as YAML writes it; a text that is no word has a key of its own."""
    value = each.value
    if isinstance(value, str):
        return value if value.isidentifier() else {"text": value}
    return value if isinstance(value, bool | int | float) else each.default
