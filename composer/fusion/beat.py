"""Rows in step: a model's pass costs little more for many rows than for one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from composer.fusion.requests.plain import Request

__all__ = ["Beat", "due"]


@dataclass(frozen=True, slots=True)
class Beat:
    """Which step of a cycle a request is: requests of one cycle are answered in step.

    A row's steps may be any that go up, from 0; a new round of the cycle begins with 0 again.
    """

    cycle: Hashable
    phase: int


def due(requests: Sequence[Request]) -> list[Request]:
    """Leave requests for later whose cycle is at another step.

    Those that begin wait until the cycle begins, those that are ahead for the others.
    """
    phases: dict[Hashable, set[int]] = {}
    beats = {id(request): getattr(request, "beat", None) for request in requests}
    for beat in beats.values():
        if beat is not None:
            phases.setdefault(beat.cycle, set()).add(beat.phase)
    now = {cycle: min(found - {0}, default=0) for cycle, found in phases.items()}
    return [r for r in requests if (b := beats[id(r)]) is None or b.phase == now[b.cycle]]
