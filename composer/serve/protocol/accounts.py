"""What answers took and how they came about: the usage of a reply, and its extension field."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.values.results import Usage, dollars

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from composer.run.result import Result
    from composer.serve.protocol.orders import Draw
    from composer.serve.served import ServedModel
    from composer.values import Text

    KeepTrace = Callable[[ServedModel, Draw, Result], str | None]

__all__ = ["Answer", "extension_json", "no_trace", "usage_json"]


def no_trace(_served: ServedModel, _draw: Draw, _result: Result) -> None:
    """Keep no trace, so that replies name none."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A result with the seed that it was drawn with, and the id of its trace, if that is kept."""

    result: Result
    seed: int
    trace: str | None

    @property
    def body(self) -> Text:
        """The text as the recipe's last step gave it."""
        assert self.result.text is not None
        return self.result.text

    @property
    def text(self) -> str:
        """The answer: what was extracted, if something was, else the text as it was written."""
        body = self.body
        return body.value if body.extracted and body.value is not None else body.text

    @property
    def finish(self) -> str:
        """Why it ended, in the words of the protocol."""
        return "stop" if self.body.facts.get("finish", "stop") == "stop" else "length"


def usage_json(results: Iterable[Result]) -> str:
    """Return the tokens of all members that answers took, added up.

    Those of answers that came out of the cache are told as cached tokens of the prompt.
    """
    listed = list(results)
    total = sum((each.full_usage for each in listed), Usage())
    billed = _added(each.members for each in listed).values()
    cached = total.prompt_tokens - sum(each.prompt_tokens for each in billed)
    return token_counts(total.prompt_tokens, total.completion_tokens, cached)


def token_counts(read: int, written: int, cached: int = 0) -> str:
    """Return the field `usage` of a reply."""
    return (
        f'{{"prompt_tokens":{read},"completion_tokens":{written},"total_tokens":{read + written},'
        f'"prompt_tokens_details":{{"cached_tokens":{cached}}}}}'
    )


def extension_json(answers: Sequence[Answer], *, whole_trace: bool) -> str:
    """Return the extension field of a reply: who was asked, what was decided, what it took.

    Several answers are told one by one under `answers`, beside what they took together.
    """
    accounts = [_account(each, whole_trace=whole_trace) for each in answers]
    if len(accounts) == 1:
        return json.dumps(accounts[0], separators=(",", ":"))
    results = [each.result for each in answers]
    members = _added(each.members for each in results)
    total = {
        "members": {name: usage.as_dict() for name, usage in sorted(members.items())},
        "seconds": max((round(each.seconds, 4) for each in results), default=0.0),
        "cost": _cost(results),
        "answers": accounts,
    }
    return json.dumps(total, separators=(",", ":"))


def _account(answer: Answer, *, whole_trace: bool) -> dict[str, object]:
    result = answer.result
    trace = result.trace.as_dict() if whole_trace and result.trace is not None else answer.trace
    return {
        "members": {name: usage.as_dict() for name, usage in sorted(result.members.items())},
        "decision": None if result.decision is None else dict(result.decision),
        "confidence": result.confidence,
        "failed": [each.as_dict() for each in result.failed],
        "seconds": round(result.seconds, 4),
        "cost": _cost([result]),
        "seed": answer.seed,
        "trace": trace,
    }


def _cost(results: Sequence[Result]) -> float | None:
    """Return what results cost in dollars, None where a price is not known."""
    cost = sum(each.known_cost for each in results)
    return None if math.isnan(cost) else dollars(cost)


def _added(several: Iterable[Mapping[str, Usage]]) -> dict[str, Usage]:
    """Add up usages by name."""
    total: dict[str, Usage] = {}
    for each in several:
        for name, usage in each.items():
            total[name] = total.get(name, Usage()) + usage
    return total
