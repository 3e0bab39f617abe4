"""Models in the options of a step: inputs in the graph, options when the step runs."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from composer.values.capability import Capability
from composer.values.flow import Model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["CapabilityByOptions", "OptionModel", "models_in", "option_models", "with_models"]

NO_CAPABILITY = Capability(0)


@dataclass(frozen=True, slots=True)
class CapabilityByOptions:
    """What a model in an option must be able to do, as the other options of its part say."""

    of: Callable[[Any], Capability]


@dataclass(frozen=True, slots=True)
class OptionModel(Model):
    """Stands for a model in the options of a step: the model of input number `at`."""

    name: str = field()
    at: int


def option_models(options: BaseModel) -> Iterator[tuple[str, Model, Capability]]:
    """Yield the models that options hold, each with what it must be able to do.

    That is said where the model is wanted: `by: Annotated[Model, Capability.SCORE]`, or with
    `CapabilityByOptions`.
    """
    for name, info in type(options).model_fields.items():
        marks = [mark for mark in info.metadata if isinstance(mark, Capability)]
        by_options = (mark for mark in info.metadata if isinstance(mark, CapabilityByOptions))
        marks += [mark.of(options) for mark in by_options]
        for model, needed in models_in(getattr(options, name), next(iter(marks), NO_CAPABILITY)):
            yield name, model, needed


def models_in(
    value: object, needed: Capability = NO_CAPABILITY
) -> Iterator[tuple[Model, Capability]]:
    """Yield the models in an option's value, each with what it must be able to do."""
    match value:
        case Model():
            yield value, needed
        case BaseModel():
            yield from ((model, needed_here) for _, model, needed_here in option_models(value))
        case tuple():
            for item in value:
                yield from models_in(item, needed)
        case _ if is_dataclass(value):
            for item in fields(value):
                yield from models_in(getattr(value, item.name))


def with_models(value: Any, change: Callable[[Model], Model]) -> Any:  # noqa: ANN401 - an option
    """Return an option's value with every model in it changed, in the order of `models_in`."""
    match value:
        case Model():
            return change(value)
        case BaseModel():
            moved = _moved(value, type(value).model_fields, change)
            return value.model_copy(update=moved) if moved else value
        case tuple():
            changed = tuple(with_models(item, change) for item in value)
            return (
                changed if any(a is not b for a, b in zip(changed, value, strict=True)) else value
            )
        case _ if is_dataclass(value) and not isinstance(value, type):
            moved = _moved(value, [item.name for item in fields(value)], change)
            return replace(value, **moved) if moved else value
        case _:
            return value


def _moved(
    value: object, names: Iterable[str], change: Callable[[Model], Model]
) -> dict[str, object]:
    """Return the fields of a value in which a model was changed."""
    fresh = {name: with_models(getattr(value, name), change) for name in names}
    return {name: new for name, new in fresh.items() if new is not getattr(value, name)}
