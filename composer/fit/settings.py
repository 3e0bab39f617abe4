"""Settings of a fit, its target, and the result of one trainer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args

from composer.diagnostics import Diagnostic, Mistakes
from composer.diagnostics.amounts import number_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from composer.compiler.fits import CalibratedOption
    from composer.evaluate import Grading
    from composer.recipe import Recipe
    from composer.values import State, Trainable

T = TypeVar("T")

What = Literal["share", "cost", "quality"]

WHAT: tuple[What, ...] = get_args(What)


@dataclass(frozen=True, slots=True)
class Target:
    """What a person wants of a route: a share of strong calls, a mean cost, a mean quality.

    The share is that of the queries which go to the best single choice, in [0, 1]; the cost is in
    dollars an answer; the quality is the mean label.
    """

    what: What
    value: float

    def __str__(self) -> str:
        return f"{self.what}={number_text(self.value)}"

    @classmethod
    def read(cls, text: str) -> Target:
        """Read `share=0.5`; raises ValueError with what is wrong."""
        name, sign, value = text.partition("=")
        what = next((each for each in WHAT if each == name), None)
        if not sign or what is None:
            raise ValueError(
                f"a target must be like share=0.5, cost=0.001 or quality=0.8, not {text!r}"
            )
        try:
            number = float(value)
        except ValueError:
            raise ValueError(f"{value!r} is not a number") from None
        if not 0 <= number < float("inf") or (what != "cost" and number > 1):
            limits = "0 or more" if what == "cost" else "between 0 and 1"
            raise ValueError(f"a {what} must be {limits}, not {value}")
        return cls(what, number)


def _silent(message: str) -> None:
    del message


@dataclass(frozen=True)
class FitSettings:
    """A recipe, the data that it learns from, and how: folds of validation, seed, target.

    `how` grades the answers of choices that have to be asked; `shrink` lets estimates of foreign
    queries shrink towards a safe prior. With `cache`, what choices came to is kept, and not asked
    again; `tell` is called with what is done, in words. `tables` keeps what the stages of a cascade
    answered during one fit.
    """

    recipe: Recipe
    data: Path
    seed: int = 0
    folds: int = 5
    target: Target | None = None
    how: Grading | str = "auto"
    shrink: bool = True
    cache: bool = False
    tell: Callable[[str], None] = _silent
    tables: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True)
class TrainingResult:
    """What a trainer returns: states by name (the part's own is `state`), and how well it does.

    `notes` are sentences that a person should read.
    """

    names: tuple[str, ...]
    rows: int
    states: Mapping[str, State]
    report: Mapping[str, Any] = field(default_factory=dict)
    calibrated: CalibratedOption | None = None
    notes: tuple[str, ...] = ()


def nearest(table: Mapping[type[Trainable], T], part: Trainable) -> T:
    """Return what a table has for a part's nearest class; raises Mistakes where it has nothing."""
    entry = next((table[kind] for kind in type(part).__mro__ if kind in table), None)
    if entry is None:
        raise not_trainable(f"`{part.name}` cannot be fitted", "leave it out of the recipe")
    return entry


def not_trainable(text: str, help_: str = "") -> Mistakes:
    """Return the mistake of a part that cannot be trained (E509)."""
    return Mistakes([Diagnostic("E509", text, help=help_)])
