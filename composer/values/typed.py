"""Typed calls: the base of everything that is written `name(option = value)` in a recipe.

A subclass's fields are its options; `positional` says in which order they may be given without a
name. Its docstring's first sentence is what `compose ls` prints.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Resolve:
    """Marks an option whose text names a file, looked up from the recipe that says it.

    One that is `written` by the run lies in the recipe's own folder.
    """

    def __init__(self, *, must_exist: bool, written: bool = False) -> None:
        self.must_exist = must_exist
        self.written = written


FilePath = Annotated[str, Resolve(must_exist=True)]
"""A path in a recipe: found from the recipe's own folder, then from the shipped recipes."""

MaybeFile = Annotated[str | None, Resolve(must_exist=True)]
"""A path as above, or none."""

WrittenFile = Annotated[str, Resolve(must_exist=False, written=True)]
"""A file that a run writes: in the recipe's folder, of a shipped recipe in the working folder."""

MaybeWritten = Annotated[str | None, Resolve(must_exist=False, written=True)]
"""A file as above, or none."""

ModelPath = Annotated[str, Resolve(must_exist=False)]
"""A folder, found like a file, or else the id of a model on a hub."""

MaybeModel = Annotated[str | None, Resolve(must_exist=False)]
"""A folder or an id as above, or none."""


Scalar = bool | int | float | str

Variables = tuple[tuple[str, Scalar], ...]
"""Values by name, written `[name: value, other: value]`."""


class Typed(BaseModel):
    """A frozen value with named, checked options: a part of a step or a declared model."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", arbitrary_types_allowed=True, defer_build=True
    )

    name: ClassVar[str] = ""
    paper: ClassVar[str] = ""

    def begin(self) -> object:
        """Return what stands for this value while an ensemble is open, made anew for each step.

        That is the value itself, unless it has something to keep, such as what it has spent.
        """
        return self

    def packages(self) -> Mapping[str, str]:
        """Return the packages that it needs beside the project's own, each with its extra."""
        return {}

    def digests(self) -> Mapping[str, str]:
        """Return the digests of what it depends on beside its options, such as weights."""
        return {}

    @classmethod
    def positional(cls) -> tuple[str, ...]:
        """Return the options in the order in which they may be given without a name."""
        return tuple(cls.model_fields)

    @classmethod
    def summary(cls) -> str:
        """Return the first sentence of the docstring."""
        return (cls.__doc__ or "").strip().split("\n")[0]


def file_of(value: BaseModel, option: str) -> str | None:
    """Return the path in an option that names a file which must exist; None for other options.

    `value` is a part, a declaration, or the options of a step.
    """
    path = getattr(value, option)
    marks = type(value).model_fields[option].metadata
    named = any(isinstance(mark, Resolve) and mark.must_exist for mark in marks)
    return path if named and isinstance(path, str) else None


def written_file_of(value: BaseModel, option: str) -> str | None:
    """Return the path in an option that names a file which a run writes; None for others."""
    path = getattr(value, option)
    marks = type(value).model_fields[option].metadata
    named = any(isinstance(mark, Resolve) and mark.written for mark in marks)
    return path if named and isinstance(path, str) else None


def parts_within(value: object) -> Iterator[Typed]:
    """Yield the parts in an option's value: itself, those among its options, those in lists."""
    match value:
        case Typed():
            yield value
            for name in type(value).model_fields:
                yield from parts_within(getattr(value, name))
        case tuple():
            for item in value:
                yield from parts_within(item)
