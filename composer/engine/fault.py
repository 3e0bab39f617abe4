"""What is said of logits that are no numbers: whose they are, and what may help."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from composer.engine.sequence import SequenceState

__all__ = ["drop_nan_member"]


def drop_nan_member(
    sequence: SequenceState, logits: Sequence[Tensor | None], rows: slice
) -> ModelError:
    """Name the member whose logits [position, width] at some positions made the fuse no number.

    It leaves if it may; then the error is `MemberDropped`.
    """
    for state in sequence.states.values():
        state.counts.may_hold_nan = True
    for n, own in enumerate(logits):
        if n not in sequence.states or own is None:
            continue
        if (own[rows].isnan() | own[rows].isposinf()).any():
            name = sequence.group.slots[n].name
            error = ModelError(
                "E704",
                f"{name} gave logits that are not numbers",
                "its number type may be too small: try `dtype = float32`",
            )
            return sequence.drop(n, error)
    return ModelError(
        "E705",
        "no token has a probability above zero under all members",
        "write `combine = mean()`, or lower `plausible`",
    )
