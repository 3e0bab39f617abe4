"""What is wrong with a model: the field or member that it is about, and the check of weights."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.diagnostics.amounts import counted
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["SpecError", "SpecProblem", "normalized_weights", "weight_problems"]


@dataclass(frozen=True)
class SpecProblem:
    """One thing that is wrong.

    `field` is the option that it is about, `member` the place of the member; with neither it is
    about the whole. `label` says in few words what stands there, `note` what stands where the
    fuse is named.
    """

    code: str
    message: str
    help: str = ""
    label: str = ""
    note: str = ""
    field: str = ""
    member: int | None = None


class SpecError(ModelError):
    """An impossible model; `problems` has all that is wrong, the message is the first one's."""

    def __init__(self, problems: Sequence[SpecProblem]) -> None:
        first = problems[0]
        super().__init__(first.code, first.message, first.help)
        self.problems = tuple(problems)


def weight_problems(
    weights: tuple[float, ...] | None, count: int, *, signed: bool, normalized: bool
) -> Iterator[SpecProblem]:
    """Yield why weights of so many members cannot be used, if they cannot."""
    if weights is None:
        return
    if len(weights) != count:
        text = f"{counted(count, 'member')}, but {counted(len(weights), 'weight')}"
        help_ = "give one weight for each member, in order"
        note = f"has {counted(count, 'member')}"
        yield SpecProblem("E403", text, help_, f"should be {count}", note, field="weights")
    elif reason := _weights_fault(weights, signed=signed, normalized=normalized):
        listed = ", ".join(f"{weight:g}" for weight in weights)
        word = "weights" if normalized else "coefficients"
        text = f"the {word} {listed} cannot be used: {reason}"
        yield SpecProblem("E402", text, label="cannot be used", field="weights")


def _weights_fault(weights: tuple[float, ...], *, signed: bool, normalized: bool) -> str:
    """Say why weights cannot be used, if they cannot."""
    if not any(weights):
        return "all of them are zero"
    if min(weights) < 0 and not signed:
        return "a weight is negative, which only `combine = logs` allows"
    if normalized and not math.isfinite(sum(weights)):
        return "their sum is too large a number; write smaller ones"
    if normalized and sum(weights) <= 0:
        return (
            "they are divided by their sum, and the sum is not above zero; write `normalize = "
            "false`"
        )
    return ""


def normalized_weights(
    weights: Sequence[float], count: int, *, normalize: bool = True, signed: bool = False
) -> tuple[float, ...]:
    """Return weights divided by their sum, or as they are without `normalize`."""
    if len(weights) != count:
        text = f"{counted(count, 'member')}, but {counted(len(weights), 'weight')}"
        raise ModelError("E403", text)
    if not any(weights) or (min(weights) < 0 and not signed):
        raise ModelError("E402", f"weights must be zero or more, and not all zero: {weights}")
    if not normalize:
        return tuple(float(w) for w in weights)
    total = sum(weights)
    if not 0 < total < math.inf:
        raise ModelError(
            "E402",
            f"the sum of the coefficients must be above zero, not {total:g}: they are divided by "
            "it",
            "write `normalize = false`",
        )
    return tuple(w / total for w in weights)
