"""`roles`: a small linear head chooses, turn by turn, a member and its role (TRINITY)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from composer.heavy import np
from composer.methods.coordinators.base import Conversation, Coordinator, Move, Turn, names_of
from composer.methods.estimators.features import Features, Tfidf, all_vectors, embed_all
from composer.methods.fitted import FittedPart, named, shaped
from composer.methods.template import Template
from composer.methods.templates import TEMPLATES
from composer.values import Asker, MissingAnswer, Model, ModelError, Query, State, Text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from composer.methods.estimators.values import Floats

ROLES: tuple[str, ...] = ("thinker", "worker", "verifier")
"""The roles, in the order of the head's last rows."""

THINKER, WORKER, VERIFIER = ROLES
_RECENT = 4096
"""Conversations whose vectors are kept."""

_VERDICT = re.compile(r"\[\[\s*(accept|continue)\s*\]\]", re.IGNORECASE)


class Roles(Coordinator, FittedPart):
    """A linear head over the conversation chooses who speaks next, and as what (TRINITY).

    A `thinker` plans, a `worker` answers, a `verifier` accepts the answer or lets the others go
    on. The head reads the vector of `features` of the conversation so far, with who spoke last in
    which role, and a constant. It has a score for each member and for each role; the greatest of
    each are chosen. Nobody verifies before there is an answer, and the last turn is a worker's
    where there is none. The last worker's reply is the answer. The templates of the roles may use
    `fields.plan`, `fields.work` and `fields.critique`: what the thinker, the worker and the
    verifier said last. By `verdict` a verifier accepts where its reply has [[accept]]; with
    `verdict = same`, where it gives the same answer itself. Fitted by `compose fit`, on
    whether the answer is right in the end: sep-CMA-ES with `population` candidates (0: by the
    number of weights) and `generations`, on `batch` questions each. Each call of a conversation
    counts as `call_cost` of a right answer.
    """

    name: ClassVar[str] = "roles"
    paper: ClassVar[str] = "arXiv:2512.04695"

    features: Features | tuple[Features, ...] = Tfidf()
    thinker: Template = TEMPLATES["thinker"]
    worker: Template = TEMPLATES["worker"]
    verifier: Template = TEMPLATES["verifier"]
    verdict: Literal["written", "same"] = "written"
    population: int = Field(default=0, ge=0)
    generations: int = Field(default=60, ge=1)
    batch: int = Field(default=64, ge=1)
    call_cost: float = Field(default=0.0, ge=0)

    def converse(self, query: Query, members: Sequence[Model]) -> Conversation:
        """Begin with the question alone."""
        state = self.state()
        names = names_of(members)
        order = named(state, names, self.name)
        fitted = len(state.facts["names"])
        head = shaped(state.part("head"), "weights", fitted + len(ROLES), None)
        rows = [*order, *range(fitted, fitted + len(ROLES))]
        vector = self.vector(state.part("features"), query.text)
        if vector.shape[-1] + extras(fitted) != head.shape[1]:
            raise ModelError("E507", f"`{self.name}` was fitted on other features", "fit it again")
        return _Team(self, query, names, head[rows], state.part("features"), order, fitted)

    def fit_features(self, questions: Sequence[str]) -> State:
        """Learn from questions what the features need, and their mean and spread."""
        terms, vectors = embed_all(self.features, [(text, ()) for text in questions])
        dense = vectors.toarray()
        spread = dense.std(0)
        scale = State({"mean": dense.mean(0), "spread": np.where(spread > 0, spread, 1)})
        return State.join(terms=terms, scale=scale)

    def vector(self, state: State, text: str) -> Floats:
        """Return the vector of a conversation that is written out, standardised."""
        terms, scale = state.part("terms"), state.part("scale").arrays

        def computed(text: str) -> Floats:
            row: Floats = all_vectors(self.features, terms, [(text, ())]).toarray()[0]
            return np.asarray((row - scale["mean"]) / scale["spread"], np.float32)

        recent: Callable[[str], Floats] = state.live.get(
            "recent", lambda: lru_cache(maxsize=_RECENT)(computed)
        )
        return recent(text)

    def accepts(self, reply: Text, work: Text) -> bool:
        """Say whether a verifier's reply accepts an answer."""
        if self.verdict == "same":
            return reply.answer is not None and reply.answer == work.answer
        verdicts = _VERDICT.findall(reply.text)
        return bool(verdicts) and verdicts[-1].casefold() == "accept"


def extras(members: int) -> int:
    """Return how many numbers follow the features: last member, last role, answered, constant."""
    return members + len(ROLES) + 2


@dataclass(eq=False)
class _Team(Conversation):
    """Who has said what so far; `head` [member + role, number] scores who speaks next.

    `order` has the place of each member among the `fitted` ones.
    """

    how: Roles
    query: Query
    names: tuple[str, ...]
    head: Floats
    features: State
    order: Sequence[int]
    fitted: int
    replies: dict[str, Text] = field(default_factory=dict)
    turns: list[Turn] = field(default_factory=list)
    accepted: bool = False

    async def move(self, left: int, ask: Asker) -> Move | None:
        """Choose a member and a role; None once a verifier has accepted."""
        if self.accepted:
            return None
        vector = await ask.compute(self._vector)
        scores = self.head @ vector
        member = int(np.argmax(scores[: len(self.names)]))
        role = self._role(scores[len(self.names) :], left)
        template: Template = getattr(self.how, role)
        return Move(member, role, template.query(self._shown()))

    def receive(self, turn: Turn) -> None:
        """Keep what a role said last; a verifier may accept."""
        self.turns.append(turn)
        if isinstance(turn.reply, MissingAnswer):
            return
        work = self.replies.get(WORKER)
        if turn.role == VERIFIER and work is not None:
            self.accepted = self.how.accepts(turn.reply, work)
        self.replies[turn.role] = turn.reply

    def latest(self) -> Text | None:
        """The last worker's reply, else the last plan."""
        text = self.replies.get(WORKER) or self.replies.get(THINKER)
        return None if text is None else replace(text, query=self.query)

    async def close(self, ask: Asker) -> Text | None:
        """The same; where nobody could answer, the last failure."""
        del ask
        failed = [t.reply.error for t in self.turns if isinstance(t.reply, MissingAnswer)]
        if self.latest() is None and failed:
            raise failed[-1]
        return self.latest()

    def _role(self, scores: Floats, left: int) -> str:
        """The role with the greatest score among those that may come now."""
        allowed = ROLES
        if WORKER not in self.replies:
            allowed = (WORKER,) if left <= 1 else (THINKER, WORKER)
        return max(allowed, key=lambda role: float(scores[ROLES.index(role)]))

    def _vector(self) -> Floats:
        """What the head reads: features of the conversation, and who spoke last."""
        lines = [self.query.text]
        lines += [f"{t.role}: {t.reply.text}" for t in self.turns if isinstance(t.reply, Text)]
        last = np.zeros(extras(self.fitted), np.float32)
        if self.turns:
            last[self.order[self.names.index(self.turns[-1].member)]] = 1
            last[self.fitted + ROLES.index(self.turns[-1].role)] = 1
        last[-2:] = float(WORKER in self.replies), 1.0
        return np.concatenate([self.how.vector(self.features, "\n".join(lines)), last])

    def _shown(self) -> Query:
        """What a role's template reads."""
        spoken = {"plan": THINKER, "work": WORKER, "critique": VERIFIER}
        state = {
            name: self.replies[role].text if role in self.replies else ""
            for name, role in spoken.items()
        }
        fields = MappingProxyType({**self.query.fields, **state})
        return replace(self.query, fields=fields)
