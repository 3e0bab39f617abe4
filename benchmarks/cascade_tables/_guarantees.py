"""Promises of cascades as the tables of guarantees try them: certified on rows, run on others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.methods.mistakes import PartError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from composer.methods.acceptances.certified import Guaranteed
    from composer.methods.acceptances.replay import Replay, Runs


@dataclass(frozen=True, eq=False)
class Trial:
    """What a part promises on other rows than those it was certified on."""

    part: Guaranteed
    replay: Replay
    runs: Runs

    @classmethod
    def of(
        cls, part: Guaranteed, rows: Replay, quality: NDArray[np.float64], others: Replay, seed: int
    ) -> Trial | None:
        """Certify a part on rows and run it on others; None where it is refused."""
        try:
            certificate = part.certify(rows, quality, seed)
        except PartError:
            return None
        rising = others.rising(certificate.sign)
        return cls(part, rising, rising.run(certificate.thresholds[None]))

    @property
    def risk(self) -> float:
        """What the first promise comes to."""
        loss, counts = self.part.promises[0].losses(self.replay, self.runs)
        return float(loss[counts].mean()) if counts.any() else 0.0

    @property
    def quality(self) -> NDArray[np.float64]:
        """The quality of the answer to each row."""
        return self.runs.of_taken(self.replay.quality)[0]

    @property
    def cost(self) -> NDArray[np.float64]:
        """The dollars of each row."""
        return self.runs.cost[0]

    @property
    def saving(self) -> float:
        """The mean cost, where always asking the last stage costs 1."""
        return float(self.cost.mean() / self.replay.cost[:, -1].mean())
