"""`recorded(...)`: answers that a model once gave, replayed from a file."""

from __future__ import annotations

from dataclasses import replace
from statistics import fmean
from textwrap import shorten
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from composer.backends.recording import Recording, recording
from composer.data import confidence_of, cost_of, logprobs_of, stand_in
from composer.diagnostics import did_you_mean
from composer.specs.content import file_digest
from composer.specs.declaration import Remote
from composer.values.capability import Capability
from composer.values.card import Card, Price, lacking
from composer.values.details import LikelyToken, TokenChoice
from composer.values.errors import ModelError
from composer.values.requests import Client
from composer.values.results import Completion, Generated, Usage
from composer.values.thinking import Thinking
from composer.values.typed import FilePath

if TYPE_CHECKING:
    from collections.abc import Callable

    from composer.backends.recording import RecordedAnswer
    from composer.values.flow import Query
    from composer.values.requests import Generate, Sampling

__all__ = ["Recorded", "Replay"]

STAND_IN = "stand_in"
TOKENS: tuple[Literal["prompt_tokens", "completion_tokens"], ...] = (
    "prompt_tokens",
    "completion_tokens",
)

EXAMPLE = (
    '{"query": "2 + 2?", "reference": "4", "recorded": {"small": {"text": "4", "cost": 0.001}}}'
)

Fact = Literal["correct", "score", "logprob", "seconds"]
FACTS: tuple[Fact, ...] = ("correct", "score", "logprob", "seconds")


class Recorded(Remote):
    """Recorded answers of a model, replayed from a JSONL file, plain or gzip.

    A row is found by the id of the query, else by its exact text. A greedy request gives the `text`
    of the row; sampling gives its `answers` one after the other. If only the judgement was
    recorded, the reference is the answer if it is right, and `(wrong)` if it is wrong; such answers
    abstain from votes. `thinking` is the tag around thoughts, such as `think`, which are not part
    of the answer.
    """

    name: ClassVar[str] = "recorded"
    may_abstain: ClassVar[bool] = True
    replays: ClassVar[bool] = True

    file: FilePath
    model: str
    thinking: str | None = Field(default=None, min_length=1)
    price: Price = None

    @property
    def reads_media(self) -> bool:
        """It was asked with whatever parts its rows have."""
        return True

    @property
    def reasoning(self) -> Thinking | None:
        """The tag that the recipe names."""
        return None if self.thinking is None else Thinking((self.thinking,))

    @property
    def aliases(self) -> tuple[str, ...]:
        """The name of the model in the file."""
        return (self.model,)

    @property
    def recorded_cost(self) -> float | None:
        """The mean dollars of the answers of the file, by tokens and `price`, else as recorded."""
        try:
            answers = self._recording.answers(self.model)
        except ModelError:  # the file is a mistake, which `card` reports
            return None
        costs = [cost for one in answers if (cost := cost_of(one, self.price)) is not None]
        return fmean(costs) if costs else None

    def card(self) -> Card:
        """See which abilities the recorded answers leave."""
        logged = self._recording.logged[self.model]
        able = Capability.TEXT | Capability.LOGPROBS if logged else Capability.TEXT
        why = dict(lacking("it is a recording, not a model", has=able))
        if Capability.LOGPROBS in why:
            why[Capability.LOGPROBS] = "its answers were recorded without log-probabilities"
        return Card(able, "recording", price=self.price, why=MappingProxyType(why))

    def identity(self) -> str:
        """The file and the model in it."""
        return f"recorded:{self.file}:{self.model}{self._thought}"

    def content(self) -> str:
        """The digest of the file, and the model in it."""
        return f"recorded:{file_digest(self.file)}:{self.model}{self._thought}"

    @property
    def _thought(self) -> str:
        return "" if self.thinking is None else f":thinking={self.thinking}"

    async def open(self, name: str) -> Replay:
        """Make a replay; each one counts its draws anew."""
        return Replay(self._recording, self.model, name, self.price)

    @property
    def _recording(self) -> Recording:
        """The file, as it is now; raises ModelError where the model has no answers in it."""
        rows = recording(self.file)
        if self.model not in rows.logged:
            near = did_you_mean(self.model, rows.models) or f"a row with answers is {EXAMPLE}"
            raise ModelError("E504", f"`{self.file}` has no answers of `{self.model}`", near)
        return rows


class Replay(Client):
    """Gives recorded answers; the i-th draw for a query is sample i of its row."""

    tells_attempts = True

    keeps: ClassVar[bool] = False

    def __init__(self, rows: Recording, model: str, name: str, price: Price = None) -> None:
        self.rows = rows
        self.model = model
        self.name = name
        self.price = price
        self._draws: dict[tuple[str, str], dict[int, int]] = {}

    async def generate(
        self, request: Generate, on_text: Callable[[str], None] | None = None
    ) -> Generated:
        """Replay the answers to a query."""
        query = request.query
        row = self.rows.find(query)
        if row is None or self.model not in row["recorded"]:
            raise self._absent(query)
        answer = row["recorded"][self.model]
        draws = []
        for seed in request.seeds:
            draw = self._draw(query, replace(request.sampling, seed=seed))
            text, facts = self._said(answer, row.get("reference"), draw)
            facts |= {"recorded": self.model, "row": row["id"]}
            completion = _completion(text, answer, facts, {self.name: self._usage(answer)})
            if request.detail is not None:
                completion = replace(completion, choices=_choices(completion))
            draws.append(completion)
        if on_text is not None:
            on_text(draws[0].text)
        return Generated(tuple(draws))

    def cost(self, request: Generate) -> float:
        """Return the dollars that replaying the answer to a query is booked with."""
        row = self.rows.find(request.query)
        answer = row["recorded"].get(self.model) if row is not None else None
        return self._usage(answer).cost if answer is not None else 0.0

    def _draw(self, query: Query, sampling: Sampling) -> int | None:
        """Number the draws for a query by their seeds, in the order of asking; None is greedy."""
        if sampling.temperature <= 0:
            return None
        seeds = self._draws.setdefault((query.id, query.text), {})
        return seeds.setdefault(sampling.seed, len(seeds))

    def _said(
        self, kept: RecordedAnswer, reference: object, draw: int | None
    ) -> tuple[str | None, dict[str, object]]:
        """Choose the words of the answer; the judgement goes with the words it was made of."""
        facts: dict[str, object] = {key: kept[key] for key in FACTS if key in kept}
        answers = kept.get("answers")
        greedy = kept["text"] if "text" in kept else (answers or [None])[0]
        if "text" not in kept and not answers:
            return stand_in(kept, reference), facts | {STAND_IN: True}
        chosen = answers[draw % len(answers)] if answers and draw is not None else greedy
        if chosen != greedy:
            facts.pop("correct", None)
            facts.pop("score", None)
        return (None if chosen is None else str(chosen)), facts

    def _usage(self, answer: RecordedAnswer) -> Usage:
        read, written = (int(answer.get(key) or 0) for key in TOKENS)
        cost = cost_of(answer, self.price)
        return Usage(1, read, written, cost or 0.0, unpriced=int(cost is None))

    def _absent(self, query: Query) -> ModelError:
        row = self.rows.by_id.get(query.id)
        question = shorten(query.root.text, 60, placeholder="...")
        message = f"`{self.rows.file}` has no answer of `{self.model}` to the question {question!r}"
        if row is not None and self.model in row["recorded"]:
            message += f"; the id `{query.id}` belongs to another question"
        advice = "ask a recorded question, or declare a model that can be run"
        return ModelError("E701", message, advice)


def _completion(
    text: str | None, kept: RecordedAnswer, facts: dict[str, object], usage: dict[str, Usage]
) -> Completion:
    """Make the answer; one that was recorded as null abstains, and so does a stand-in."""
    logprobs = logprobs_of(kept)
    return Completion(
        text or "",
        tuple(kept.get("tokens") or ("",) * len(logprobs)),
        logprobs,
        confidence_of(kept),
        usage=usage,
        facts=MappingProxyType(facts),
        extracted=text is None or STAND_IN in facts,
    )


def _choices(made: Completion) -> tuple[TokenChoice, ...]:
    """Return what is known of each token: itself; nothing where its text is not known."""
    if "".join(made.tokens) != made.text:
        return ()
    pairs = zip(made.tokens, made.logprobs, strict=False)
    return tuple(TokenChoice(LikelyToken(text.encode(), value)) for text, value in pairs)
