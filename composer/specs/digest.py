"""The one digest of a model: equal digests, equal answers to equal questions.

Where a model lies, what it is called and on which device it runs do not matter. What its files
hold, how members are combined and the fitted states of parts do. A value of an unknown type is
refused: if it were left out, two models could share cached answers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, TypeAlias

from composer.specs.content import file_digest, json_digest
from composer.specs.derived import Derived
from composer.specs.models import Declared
from composer.specs.parts import kind_of
from composer.values.fitted import Trainable
from composer.values.typed import Typed, file_of

if TYPE_CHECKING:
    from composer.specs.declaration import Declaration
    from composer.values.flow import JSON

__all__ = ["Content", "canonical", "content_now", "digest"]

Content: TypeAlias = "Callable[[Declaration], str]"


def content_now(model: Declaration) -> str:
    """Return what a declared model is by its files as they are."""
    return model.content()


def digest(value: object, content: Content = content_now) -> str:
    """Return the SHA-256 of a value; raises TypeError for a type that is not known.

    `content` says what a declared model is by content.
    """
    return json_digest(canonical(value, content))


def canonical(value: object, content: Content = content_now) -> JSON:
    """Write a value as JSON can hold it, with all that matters and nothing else.

    A dataclass goes by its `digest_name`, else by its class's name: one that is renamed keeps the
    old name there, so that kept answers are found again.
    """
    match value:
        case None | bool() | int() | float() | str():
            return value
        case tuple() | list():
            return [canonical(each, content) for each in value]
        case Mapping():
            return {str(name): canonical(each, content) for name, each in value.items()}
        case Declared() | Derived():
            return _held(value, content)
        case Typed():
            return _part(value, content)
        case _ if is_dataclass(value) and not isinstance(value, type):
            inner = {each.name: getattr(value, each.name) for each in fields(value)}
            name = getattr(value, "digest_name", type(value).__name__)
            return [name, canonical(inner, content)]
        case _:
            raise TypeError(
                f"no digest can be made of a value of type {type(value).__name__}: {value!r}"
            )


def _held(model: Declared | Derived, content: Content) -> JSON:
    """Write a model by what its weights are, or by what they are made of."""
    if isinstance(model, Declared):
        return ["declared", content(model.declaration)]
    donors: list[JSON] = [canonical(donor, content) for donor in model.donors]
    return [model.word, canonical(model.making, content), donors, model.dtype]


def _part(part: Typed, content: Content) -> JSON:
    """Write a part by its identity, its options, what its files hold and its fitted state."""
    options = {name: _option(part, name, content) for name in type(part).model_fields}
    fitted = part.fitted if isinstance(part, Trainable) else None
    return [_identity(type(part)), options, None if fitted is None else fitted.digest]


def _identity(part: type[Typed]) -> str:
    """Name a class of parts: by its kind and name, and by the package that defines it.

    The module is left out, so that answers stay in the cache when a part moves to another file.
    """
    if not part.name:
        return f"{part.__module__}.{part.__qualname__}"
    return f"{part.__module__.partition('.')[0]}:{kind_of(part)}:{part.name}"


def _option(part: Typed, name: str, content: Content) -> JSON:
    path = file_of(part, name)
    return canonical(getattr(part, name), content) if path is None else file_digest(path)
