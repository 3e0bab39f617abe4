"""The models of a server: each is a recipe that is ready to be asked, under a name."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, TypeVar

from composer.backends.endpoint.asking.prompting import PromptWriter
from composer.checkpoints.chatfiles import special_tokens
from composer.compiler.graph import model_of, topological
from composer.diagnostics import did_you_mean
from composer.run.result import Failure, Result
from composer.serve.admission import Admission
from composer.serve.errors import ProtocolError
from composer.serve.settings import Settings
from composer.serve.visits import VISIT
from composer.specs import leaves
from composer.values import Port
from composer.values.options import AnswerOptions
from composer.values.results import Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Future
    from pathlib import Path

    from composer.recipe import Recipe
    from composer.run import Ensemble
    from composer.run.events import OnEvent
    from composer.serve.metrics import Metrics
    from composer.serve.telemetry import Telemetry
    from composer.serve.visits import Visit
    from composer.specs import Checkpoint
    from composer.values import Query, Score
    from composer.values.details import TokenChoice, TokenDetail

__all__ = ["Registry", "ServedModel"]

Piece = TypeVar("Piece")

SEED_BITS = 31
"""Bits of a seed that is drawn here: as many as other servers take."""


@dataclass(frozen=True, eq=False)
class ServedModel:
    """A recipe that is served as the model `id`; `created` is in seconds since 1970.

    Its queries share places and figures with those of other models, if these are given.
    """

    id: str
    recipe: Recipe
    ensemble: Ensemble
    settings: Settings = field(default_factory=Settings)
    admission: Admission = field(default_factory=Admission)
    metrics: Metrics | None = None
    telemetry: Telemetry | None = None
    created: int = field(default_factory=lambda: int(time.time()))

    def start(  # noqa: PLR0913 - what a query is asked with, and who is told
        self,
        query: Query,
        *,
        options: AnswerOptions | None = None,
        on_text: Callable[[str], None] | None = None,
        on_token: Callable[[TokenChoice], None] | None = None,
        on_event: OnEvent | None = None,
        watch: TokenDetail | None = None,
    ) -> Future[Result]:
        """Begin to answer a query when its turn comes, as `Ensemble.start` does, and return now.

        The work ends if the future is cancelled, or with the request that it belongs to: then the
        future fails with the reason, a ProtocolError. Raises ProtocolError if the prompt is too
        long (E804) or too many requests wait (E805), and Failure where the options cannot be
        honoured.
        """
        options = self.settled(options)
        self.demand_short(query, "" if options is None else options.prefix)
        visit = VISIT.get()
        if visit is not None:
            visit.model = self.id
            on_text, on_token = _timed(visit, on_text), _timed(visit, on_token)
            if self.telemetry is not None:
                on_event = self.telemetry.listener(visit, query, options, on_event)
        begin = partial(
            self.ensemble.start,
            query,
            options=options,
            on_text=on_text,
            on_token=on_token,
            on_event=on_event,
            watch=watch,
        )
        outcome = self.admission.submit(self.id, begin)
        outcome.add_done_callback(lambda done: self._count(visit, done))
        return outcome

    def start_score(self, query: Query, detail: TokenDetail | None = None) -> Future[Score]:
        """Begin to score a query's own tokens when its turn comes, as `Ensemble.start_score`."""
        self.demand_short(query)
        visit = VISIT.get()
        if visit is not None:
            visit.model = self.id
        begin = partial(self.ensemble.start_score, query, detail)
        outcome = self.admission.submit(self.id, begin)
        outcome.add_done_callback(self._count_score)
        return outcome

    def scoring_usage(self, tokens: int) -> dict[str, Usage]:
        """Return what each model takes that scores a prompt of so many tokens."""
        asked = self.recipe.optimized.root.asks
        scorers = [] if asked is None or not tokens else leaves(model_of(asked))
        return {each.name: Usage(calls=1, prompt_tokens=tokens) for each in scorers}

    def settled(self, options: AnswerOptions | None) -> AnswerOptions | None:
        """Return the options without those for which the recipe's own values stand.

        Raises Failure where the recipe cannot honour one.
        """
        kept = self.settings.keep.intersection(options.set_names) if options else ()
        if options is not None and kept:
            unset = AnswerOptions()
            options = replace(options, **{name: getattr(unset, name) for name in kept})
        if options is not None and options.set_names:
            self.ensemble.demand_options(options)
        return options

    def seed(self) -> int:
        """Return the seed of a request that names none: the operator's, or a random one."""
        seed = self.settings.seed
        return secrets.randbits(SEED_BITS) if seed is None else seed

    @cached_property
    def tokenizer(self) -> PromptWriter | None:
        """The tokenizer of the first model that writes the answer.

        It also writes a conversation as that model's template does. None where its files are not
        here, or where steps with different tokenizers may write the answer.
        """
        return next(iter(self._tokenizers.values())) if len(self._tokenizers) == 1 else None

    @cached_property
    def _tokenizers(self) -> Mapping[str | None, PromptWriter | None]:
        """Those of the first models that write, by their vocabularies; None for unknown ones."""
        tokenizers = (_tokenizer_of(each) for each in reversed(self._first_writers))
        return {None if each is None else each.vocabulary.fingerprint: each for each in tokenizers}

    @cached_property
    def special_tokens(self) -> Mapping[str, str]:
        """The special tokens of that tokenizer by their roles, such as `eos_token`."""
        folder = None if self.tokenizer is None else _folder_of(self._first_writers[0])
        return {} if folder is None else special_tokens(folder)

    @property
    def _first_writers(self) -> list[Checkpoint]:
        """The first model of each step whose text may be the answer."""
        asked = (e for each in self.ensemble.writers for e in each.inputs if e.port is Port.MODEL)
        firsts = (next(each for each in topological(node) if each.is_checkpoint) for node in asked)
        return [leaf for node in firsts for leaf in leaves(model_of(node))]

    @cached_property
    def context(self) -> int | None:
        """The smallest number of tokens that a model of the recipe reads, as far as is known."""
        contexts = (each.context for each in self.recipe.plan().models)
        return min((each for each in contexts if each is not None), default=None)

    def demand_short(self, query: Query, prefix: str = "") -> None:
        """Raise ProtocolError (E804) where a query and the begun answer are too long to be read."""
        most = self.settings.max_prompt
        length = len(query.ids) or sum(len(content) for _, content in query.messages)
        length += len(prefix)
        if length > most:
            unit = "token ids" if query.ids else "characters"
            text = f"the prompt has {length:,} {unit}, and this server takes at most {most:,}"
            raise ProtocolError("E804", text)

    def _count(self, visit: Visit | None, done: Future[Result]) -> None:
        """Count what a query has taken, and whether it failed."""
        error = _error_of(done)
        result = error.result if isinstance(error, Failure) else None
        result = done.result() if error is None else result
        if visit is not None and result is not None:
            written = sum(usage.completion_tokens for usage in result.members.values())
            visit.tokens = (visit.tokens or 0) + written
        if self.metrics is not None:
            self.metrics.count(self.id, result, getattr(error, "code", ""))

    def _count_score(self, done: Future[Score]) -> None:
        """Count a prompt that was scored, and whether that failed."""
        if self.metrics is None:
            return
        error, members = _error_of(done), {}
        if error is None:
            members = self.scoring_usage(len(done.result().before) + len(done.result().choices))
        result = Result("", "", None, members=members)
        self.metrics.count(self.id, result, getattr(error, "code", ""))


@dataclass(frozen=True, eq=False)
class Registry:
    """The models of a server by their ids."""

    models: Mapping[str, ServedModel]

    def get(self, name: str) -> ServedModel:
        """Return a model; raises ProtocolError (E802) where there is none of this name."""
        served = self.models.get(name)
        if served is None:
            advice = did_you_mean(name, self.models)
            text = f"there is no model `{name[:100]}` on this server: {advice}"
            raise ProtocolError("E802", text, param="model")
        return served


def _error_of(done: Future[Result] | Future[Score]) -> BaseException | None:
    return ProtocolError("E806", "nobody waits") if done.cancelled() else done.exception()


def _tokenizer_of(model: Checkpoint) -> PromptWriter | None:
    """Return the tokenizer of a model; None where its files are not on this machine."""
    folder = _folder_of(model)
    return None if folder is None else PromptWriter(folder, model.weights.chat, model.name)


def _folder_of(model: Checkpoint) -> Path | None:
    """Return where the tokenizer of a model lies; that of a hub's model is there once it runs."""
    if model.folder is None and model.is_local:
        from composer.engine.weights.fetching import fetched

        return fetched(model.weights)
    return model.folder


def _timed(visit: Visit, give: Callable[[Piece], None] | None) -> Callable[[Piece], None] | None:
    """Return what hands on a piece of an answer, and notes when the first one came."""
    if give is None:
        return None

    def hand_on(piece: Piece) -> None:
        if visit.first_text is None:
            visit.first_text = visit.seconds
        give(piece)

    return hand_on
