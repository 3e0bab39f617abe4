"""What a cascade can promise: a limit on the mean of a loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from composer.diagnostics.amounts import counted, in_dollars, number_text
from composer.heavy import np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from composer.methods.acceptances.replay import Bools, Replay, Runs
    from composer.methods.estimators.values import Floats

Risk = Literal["errors", "accepted_errors", "worse_than_last", "differs_from_last"]

WORDS: dict[str, str] = {
    "errors": "of all answers are wrong",
    "accepted_errors": "of the answers accepted before the last stage are wrong",
    "worse_than_last": "of the answers are wrong where the last stage would have been right",
    "differs_from_last": "of the answers differ from that of the last stage",
    "over_budget": "of the questions cost more than",
}


@dataclass(frozen=True)
class Promise:
    """That the mean of some loss is at most `limit`; `budget` is in dollars a question."""

    loss: Risk | Literal["over_budget"]
    limit: float
    budget: float = 0.0

    def __str__(self) -> str:
        """Write the promise: `at most 5% of all answers are wrong`."""
        beyond = f" {in_dollars(self.budget)}" if self.loss == "over_budget" else ""
        return f"at most {percent(self.limit)} {WORDS[self.loss]}{beyond}"

    @property
    def option(self) -> str:
        """The option of the part that says how much is promised."""
        return "beyond" if self.loss == "over_budget" else "risk"

    def losses(self, replay: Replay, runs: Runs) -> tuple[Floats, Bools]:
        """Return the loss of each row under each setting, and which rows count."""
        every = np.ones(runs.stage.shape, dtype=bool)
        match self.loss:
            case "errors":
                return 1.0 - runs.of_taken(replay.quality), every
            case "accepted_errors":
                return 1.0 - runs.of_taken(replay.quality), runs.accepted
            case "worse_than_last":
                last = np.where(replay.answered[:, -1], replay.quality[:, -1], 0.0)
                return np.maximum(0.0, last - runs.of_taken(replay.quality)), every
            case "differs_from_last":
                return 1.0 - runs.of_taken(replay.alike), every
            case "over_budget":
                return (runs.cost > self.budget * (1 + 1e-9)).astype(float), every

    def binary(self, replay: Replay) -> bool:
        """Whether every loss is 0 or 1."""
        graded = replay.quality[np.isfinite(replay.quality)]
        by_quality = self.loss in {"errors", "accepted_errors", "worse_than_last"}
        return not by_quality or bool(np.isin(graded, (0.0, 1.0)).all())


def guarantee_text(guarantee: Mapping[str, Any]) -> str:
    """Write a guarantee of a fit: what is promised how surely, and what was measured."""
    return (
        f"{guarantee['promise']}, with {percent(guarantee['sure'])} certainty (measured: "
        f"{percent(guarantee['measured'])} of {counted(guarantee['rows'], 'held-out row')})"
    )


def percent(share: float) -> str:
    """Write a share in percent: `5%`, `2.5%`."""
    return f"{number_text(100 * share, 3)}%"
