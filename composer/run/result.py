"""The result of a query, and the failure of a run."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from composer.diagnostics import draw
from composer.diagnostics.amounts import cost_text
from composer.diagnostics.errors import CodedError
from composer.diagnostics.secrets import scrub
from composer.quiet import aloud
from composer.values.errors import described
from composer.values.results import Usage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from composer.diagnostics import Diagnostic
    from composer.run.trace import Trace
    from composer.values import Text


class ComposerWarning(UserWarning):
    """A warning about a run that continues."""


def as_warning(diagnostic: Diagnostic) -> None:
    """Show a diagnostic as a Python warning."""
    with aloud():
        warnings.warn(draw(diagnostic), ComposerWarning, stacklevel=2)


class Failure(CodedError):  # noqa: N818 - what a run ends in; the word users read
    """A run that could not answer: a code, what happened, and what to do.

    `result` holds what was spent until then. `option` names the option of the query that cannot be
    honoured, if that is the reason.
    """

    result: Result | None = None

    def __init__(
        self,
        code: str,
        message: str,
        help: str = "",  # noqa: A002 - a mistake has its help
        option: str | None = None,
    ) -> None:
        super().__init__(code, message, help)
        self.option = option

    def __str__(self) -> str:
        text = f"[{self.code}] {self.message}"
        return f"{text} ({self.help})" if self.help else text

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        """Make a failure of any error; errors of models and parts bring a code and a message."""
        if isinstance(error, Failure):
            return error
        scrub(error)
        return cls(*described(error))


@dataclass(frozen=True, slots=True)
class FailedBranch:
    """A branch of a step that gave no answer, while others went on: by the step's id in the plan.

    `error` says why, with its code.
    """

    step: str
    branch: str
    error: str

    def as_dict(self) -> dict[str, str]:
        """Return the plain values that `--json` prints."""
        return {"step": self.step, "branch": self.branch, "error": self.error}


@dataclass(frozen=True, slots=True)
class Result:
    """The answer to one query, who was asked for it, and what that took.

    `answer` is the value that was extracted, if one was, else the text. `decision` holds the
    weights of the first route, `failed` the branches that others went on without. `members` counts
    calls, tokens and dollars of each model. `seconds` do not count the loading of models.
    """

    id: str
    query: str
    answer: str | None
    confidence: float | None = None
    decision: Mapping[str, float] | None = None
    members: Mapping[str, Usage] = field(default_factory=dict)
    seconds: float = 0.0
    error: str | None = None
    failed: tuple[FailedBranch, ...] = ()
    text: Text | None = field(default=None, repr=False, compare=False)
    trace: Trace | None = field(default=None, repr=False, compare=False)

    def __str__(self) -> str:
        return self.answer if self.answer is not None else f"error: {self.error}"

    def _repr_html_(self) -> str:
        """Show the answer in a notebook, with what it took below."""
        from html import escape

        calls = ", ".join(f"{name} &times;{u.calls}" for name, u in sorted(self.members.items()))
        summary = f"{self.seconds:.2f} s, {cost_text(self.cost)}, asked: {calls or 'nobody'}"
        return f"<pre>{escape(str(self))}</pre><small>{summary}</small>"

    @property
    def cost(self) -> float:
        """Dollars spent."""
        return sum(usage.cost for usage in self.members.values())

    @property
    def unpriced(self) -> int:
        """Calls whose cost is not known, so that `cost` leaves them out."""
        return sum(usage.unpriced for usage in self.members.values())

    @property
    def known_cost(self) -> float:
        """Dollars spent, NaN where the cost of some call is not known."""
        return math.nan if self.unpriced else self.cost

    @property
    def full_usage(self) -> Usage:
        """What the answer takes, with what came out of the cache and cost nothing this time."""
        usage = Usage() if self.trace is None else self.trace.cache_savings
        return sum(self.members.values(), usage)

    def as_dict(self) -> dict[str, object]:
        """Return the object that `run --json` prints."""
        return {
            "id": self.id,
            "query": self.query,
            "answer": self.answer,
            "confidence": self.confidence,
            "decision": dict(self.decision) if self.decision is not None else None,
            "members": {name: usage.as_dict() for name, usage in sorted(self.members.items())},
            "seconds": round(self.seconds, 4),
            "error": self.error,
            **({"failed": [branch.as_dict() for branch in self.failed]} if self.failed else {}),
        }


def closed() -> Failure:
    """Return the failure of asking a closed ensemble."""
    return Failure("E707", "this ensemble is closed", "make it ready again")
