"""Where a server is in its life, and the visits under way."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from composer.backends.endpoint.chain import ensemble_id

if TYPE_CHECKING:
    from composer.serve.errors import ProtocolError
    from composer.serve.visits import Visit

__all__ = ["Lifecycle", "Stage"]


class Stage(enum.Enum):
    """What a server is doing, as `/health` tells it."""

    LOADING = "loading"
    READY = "ready"
    STOPPING = "stopping"


class Lifecycle:
    """The stage that a server is in, and the `visits` that it has not finished.

    `id` is that of the server in chains of ensembles that ask each other.
    """

    def __init__(self, stage: Stage = Stage.READY) -> None:
        self.id = ensemble_id()
        self.stage = stage
        self.visits: set[Visit] = set()

    def end_all(self, error: ProtocolError) -> int:
        """End all visits; return how many there were."""
        visits = list(self.visits)
        for visit in visits:
            visit.end(error)
        return len(visits)
