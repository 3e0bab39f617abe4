"""Types of options, taken apart and named in words."""

from __future__ import annotations

import types
import typing
from typing import TYPE_CHECKING, TypeGuard, TypeVar

from composer.methods import Rule
from composer.specs.parts import kind_of
from composer.values import Model, Port, port_of
from composer.values.typed import Resolve, Typed, Variables

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

K = TypeVar("K")

KIND_WORDS = {
    "ties": "a way to break ties",
    "features": "a kind of features",
    "align": "an alignment",
    "combine": "a way to combine distributions",
    "weigh": "a way to weigh members",
    "stringmean": "a mean of the probabilities of strings",
    "spanweigh": "a way to weigh members from span to span",
    "exit": "a rule for members that rest",
    "handover": "a rule for handing over",
    "stepreward": "a step reward",
    "edit": "a way to merge tensors",
    "coefficients": "a way to choose coefficients",
    "layerpath": "a way to choose layers",
    "router": "a way to choose experts",
    "chatfile": "a file of a chat template",
    "key": 'a variable of the environment, `env("NAME")`',
}
"""What to call the kinds whose own word is no plain noun."""


def hint_of(field: FieldInfo) -> object:
    """Return a field's type, with the mark of a path if it has one."""
    mark = next((item for item in field.metadata if isinstance(item, Resolve)), None)
    return typing.Annotated[field.annotation, mark] if mark else field.annotation


def type_text(hint: object) -> str:
    """Name a type in words."""
    hint, mark = unwrap(hint)
    hint = required(hint)
    words: dict[object, str] = {
        int: "a whole number",
        float: "a number",
        str: "a text",
        bool: "`true` or `false`",
    }
    if mark is not None:
        named_file = mark.must_exist or mark.written
        words[str] = "a file" if named_file else "a folder, or the id of a model"
    words |= {Model: Port.MODEL.value, Rule: "a condition"}
    words |= {Variables: "values by name, such as `[name: value]`"}
    if hint in words:
        return words[hint]
    if typing.get_origin(hint) is tuple:
        return f"a list of {_several(typing.get_args(hint)[0])}"
    if typing.get_origin(hint) is typing.Literal:
        return "one of " + ", ".join(f"`{kind}`" for kind in typing.get_args(hint))
    if isinstance(hint, type) and issubclass(hint, Typed):
        return kind_name(hint)
    if is_union(hint):
        return " or ".join(type_text(kind) for kind in typing.get_args(hint))
    return "a value"


def _several(hint: object) -> str:
    """Name several values of a type in words."""
    if is_union(hint):
        return " or ".join(_several(kind) for kind in typing.get_args(hint))
    if typing.get_origin(hint) is tuple:
        first, second, *_ = (*typing.get_args(hint), ...)
        if second not in (..., first):
            return f"pairs: {type_text(first)}, and {type_text(second)}"
        return f"lists of {_several(first)}"
    item = type_text(hint).removeprefix("a ").removeprefix("an ")
    if item.startswith("kind of "):
        return item.replace("kind", "kinds", 1)
    return item if item.startswith("`") else f"{item}s"


def kind_name(kind: type[Typed]) -> str:
    """Name a kind of part in plain words, with the article."""
    return KIND_WORDS.get(kind_of(kind)) or with_article(kind_of(kind))


def with_article(word: str) -> str:
    """Put `a` or `an` before a word, nothing before a plural."""
    if word.endswith("s"):
        return word
    return f"{'an' if word[0] in 'aeiou' else 'a'} {word}"


def unwrap(hint: object) -> tuple[object, Resolve | None]:
    """Split a type from the mark that it names a file."""
    if typing.get_origin(hint) is typing.Annotated:
        inner, *marks = typing.get_args(hint)
        return inner, next((mark for mark in marks if isinstance(mark, Resolve)), None)
    return hint, None


def is_union(hint: object) -> bool:
    """Say whether a type is one of several."""
    return typing.get_origin(hint) in (typing.Union, types.UnionType)


def optional(hint: object) -> bool:
    """Say whether `none` is a value of a type."""
    return is_union(hint) and type(None) in typing.get_args(hint)


def required(hint: object) -> object:
    """Return a type without `none`."""
    if not optional(hint):
        return hint
    kinds = [kind for kind in typing.get_args(hint) if kind is not type(None)]
    return unwrap(kinds[0])[0] if len(kinds) == 1 else typing.Union[tuple(kinds)]  # noqa: UP007 - made of a list


def is_model(hint: object) -> bool:
    """Say whether a type is that of models."""
    return port_of(hint) is Port.MODEL


def is_kind(hint: object, kind: type[K]) -> TypeGuard[type[K]]:
    """Say whether a type is a class, or one derived from it."""
    return isinstance(hint, type) and issubclass(hint, kind)


def takes_words(hint: object) -> bool:
    """Say whether a bare name may stand for a text here."""
    literal = typing.get_origin(hint) is typing.Literal
    return hint is str or literal or str in typing.get_args(hint)


def matches(value: object, hint: object) -> bool:
    """Say whether a plain value is of a type."""
    if typing.get_origin(hint) is typing.Literal:
        return value in typing.get_args(hint)
    kinds = typing.get_args(hint) or (hint,)
    if any(kind not in (int, float, str, bool) for kind in kinds):
        return True
    if isinstance(value, bool):
        return bool in kinds
    if isinstance(value, int) and float in kinds:
        return True
    return isinstance(value, tuple(kinds))
