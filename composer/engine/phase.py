"""Requests in step: a model's pass costs little more for many rows than for one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

__all__ = ["Phase", "ready"]


@dataclass(frozen=True, slots=True)
class Phase:
    """Which step of a cycle a request is: requests of one cycle are answered in step.

    A row's steps may be any that go up, from 0; a new round of the cycle begins with 0 again.
    """

    cycle: Hashable
    step: int


class Phased(Protocol):
    """What may be at some step of a cycle."""

    @property
    def phase(self) -> Phase | None:
        """The step, if it is of a cycle."""


R = TypeVar("R", bound=Phased)


def ready(requests: Sequence[R]) -> list[R]:
    """Leave requests for later whose cycle is at another step.

    Those that begin wait until the cycle begins, those that are ahead for the others.
    """
    steps: dict[Hashable, set[int]] = {}
    for request in requests:
        if request.phase is not None:
            steps.setdefault(request.phase.cycle, set()).add(request.phase.step)
    now = {cycle: min(some - {0}, default=0) for cycle, some in steps.items()}
    return [r for r in requests if r.phase is None or r.phase.step == now[r.phase.cycle]]
