"""Rows of a model behind a server: it has the weights and their cache, and is sent whole prompts.

All prompts that wait are sent in one request. Short steps wait for the one under way, so that
sequences which were apart come together again; long prompts are sent at once.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Protocol

from composer.engine.rows.row import CacheRow
from composer.values.chain import CHAIN
from composer.values.errors import ModelError
from composer.values.requests import NextTokens
from composer.values.results import Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from concurrent.futures import Future

    from composer.engine.rows.row import TokenCount
    from composer.engine.weights.tokens import TokenModel
    from composer.specs import Checkpoint, TokenAccess
    from composer.values.ledger import Ledger
    from composer.values.results import Distribution, NextDistributions

__all__ = ["NextTokenSource", "Question", "RemoteRow", "RemoteRows", "RemoteRunner"]

_LONG = 64  # new tokens of a prompt from which on it is not sent together with single steps

_OF_ONE = frozenset({"E703", "E709"})
"""One prompt of several may be too long, or its budget be spent, and the others not."""


class NextTokenSource(Protocol):
    """Asks a server from any thread."""

    def __call__(self, request: NextTokens, ledgers: Sequence[Ledger]) -> Future[NextDistributions]:
        """Put a request to the model's client; each prompt's share of it goes to its ledger."""


@dataclass(eq=False, slots=True)
class RemoteRow(CacheRow):
    """A sequence as its server knows it: `length` tokens of it have been sent.

    `ahead` are distributions behind `base`, and behind what the model went on to write itself.
    `chain` are the ensembles that the query came through.
    """

    base: tuple[int, ...] = ()
    ahead: Sequence[Distribution] = ()
    chain: tuple[str, ...] = field(default_factory=CHAIN.get)

    def foreseen(self, prompt: tuple[int, ...]) -> Distribution | None:
        """Return the distribution behind a prompt, if it is what the model wrote ahead."""
        written = prompt[len(self.base) :]
        if prompt[: len(self.base)] != self.base or len(written) >= len(self.ahead):
            return None
        own = [each.written for each in self.ahead[: len(written)]]
        return self.ahead[len(written)] if own == list(written) else None


class RemoteRows:
    """The open rows of a model behind a server. Nothing is cut back: a prompt is sent whole."""

    def __init__(self) -> None:
        self.live: list[CacheRow] = []

    def allocate(self) -> CacheRow:
        """Open an empty row."""
        row = RemoteRow(len(self.live))
        self.live.append(row)
        return row

    def free(self, row: CacheRow, *, wipe: bool = False) -> None:
        """Close a row."""
        del wipe
        self.live.remove(row)

    def fork(self, row: CacheRow) -> CacheRow:
        """Open a copy of a row."""
        assert isinstance(row, RemoteRow)
        twin = replace(row, index=len(self.live))
        self.live.append(twin)
        return twin

    def rejoin(self, row: CacheRow, source: CacheRow, same: int) -> None:
        """Be a copy of a source."""
        del same
        assert isinstance(row, RemoteRow)
        assert isinstance(source, RemoteRow)
        row.length, row.chain = source.length, source.chain
        row.base, row.ahead = source.base, source.ahead

    def snapshot(self, row: CacheRow) -> None:
        """Do nothing: the server keeps what it read."""

    def crop(self, row: CacheRow, length: int) -> int:
        """Return the length: the next prompt is shorter."""
        row.length = min(row.length, length)
        return row.length


@dataclass(eq=False, slots=True)
class Question:
    """What comes behind a prompt of a row; `chosen` ids are wanted beside the likeliest.

    With `ahead` above 1 the model writes on, and the row remembers what it wrote. The reply or the
    error is set when it has come; `counts` are told what it took.
    """

    row: RemoteRow
    prompt: tuple[int, ...]
    counts: TokenCount
    chosen: tuple[int, ...] = ()
    ahead: int = 1
    reply: Distribution | None = None
    error: Exception | None = None

    @property
    def answered(self) -> bool:
        """Whether there is a reply or an error."""
        return self.reply is not None or self.error is not None

    def receive(self, distributions: Sequence[Distribution]) -> None:
        """Take the distributions behind the prompt, and behind what the model wrote."""
        self.reply = distributions[0]
        self.counts.calls += 1
        if not self.chosen:
            self.row.base, self.row.ahead = self.prompt, distributions


class RemoteRunner:
    """One model behind a server; `access` says what it gives, `wake` is called when it has replied.

    The methods are called in the engine's thread; only `wake` may be called in another one.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        model: TokenModel,
        access: TokenAccess,
        source: NextTokenSource,
        wake: Callable[[], None],
    ) -> None:
        self.model, self.access = model, access
        self.rows = RemoteRows()
        self._checkpoint, self._source, self._wake = checkpoint, source, wake
        self._waiting: list[Question] = []
        self._sent: dict[Future[NextDistributions], Sequence[Question]] = {}
        self._replies: deque[Future[NextDistributions]] = deque()
        self._lanes: dict[bool, list[Question]] = {False: [], True: []}

    @property
    def unsent(self) -> bool:
        """Whether questions wait that could be sent now."""
        return any(self._is_free(bool(question.chosen)) for question in self._waiting)

    @property
    def idle(self) -> bool:
        """Whether no row is open."""
        return not self.rows.live

    @property
    def columns(self) -> int:
        """How many columns its logits have: the last is the probability of all other tokens."""
        return self.model.width + 1

    def number(self, model: Checkpoint) -> int:
        """The number of a model's adapter: 0, since a server has the adapters of its models."""
        del model
        return 0

    def ask(self, question: Question) -> None:
        """Ask with the next request, unless the model wrote the prompt ahead."""
        foreseen = None if question.chosen else question.row.foreseen(question.prompt)
        if foreseen is None:
            self._waiting.append(question)
        else:
            question.reply = foreseen
            self._wake()

    def send(self, *, more: bool) -> None:
        """Send what waits: long prompts now, steps when those under way have been answered.

        If `more` questions are about to come, steps wait for these. Questions of chosen ids do not
        wait for others, so that rows which need none go on meanwhile.
        """
        waiting, self._waiting = self._waiting, []
        long = [each for each in waiting if len(each.prompt) - each.row.length >= _LONG]
        self._post(long)
        for chosen in (False, True):
            steps = [each for each in waiting if bool(each.chosen) is chosen and each not in long]
            if self._is_free(chosen) and (chosen or not more):
                self._lanes[chosen] = steps
                self._post(steps)
            else:
                self._waiting += steps

    def _is_free(self, chosen: bool) -> bool:  # noqa: FBT001 - which of two lanes
        return all(each.answered for each in self._lanes[chosen])

    def forget(self, questions: Iterable[Question]) -> None:
        """Forget questions whose answers nobody waits for; requests of such alone are cancelled."""
        for question in questions:
            if not question.answered:
                question.error = ModelError("E707", "nobody waits for the answer any more")
        self._waiting = [each for each in self._waiting if not each.answered]
        for future, asked in list(self._sent.items()):
            if all(each.answered for each in asked):
                future.cancel()

    def collect(self) -> None:
        """Give the replies that have come to their questions."""
        while self._replies:
            future = self._replies.popleft()
            questions, error = self._sent.pop(future), _error_of(future)
            if error is None:
                _receive(questions, future.result())
            elif getattr(error, "code", "") in _OF_ONE and len(questions) > 1:
                for question in questions:
                    self._post([question])
            else:
                for question in questions:
                    question.error = question.error or error

    def _post(self, questions: Sequence[Question]) -> None:
        """Send questions, those that ask for the same in one request."""
        for batch in _alike(questions):
            chosen = tuple(sorted({token for each in batch for token in each.chosen}))
            prompts = tuple(each.prompt for each in batch)
            for each in batch:
                each.row.length = len(each.prompt)
            top = 1 if chosen else min(self.access.top, self.model.width)
            request = NextTokens(self._checkpoint, prompts, top, chosen, batch[0].ahead)
            token = CHAIN.set(batch[0].row.chain)
            try:
                future = self._source(request, [each.counts.ledger for each in batch])
            finally:
                CHAIN.reset(token)
            self._sent[future] = batch
            future.add_done_callback(self._arrive)

    def _arrive(self, future: Future[NextDistributions]) -> None:
        """Note a reply; called in any thread."""
        self._replies.append(future)
        self._wake()


def _receive(questions: Sequence[Question], told: NextDistributions) -> None:
    """Give a reply to its questions, and count what it took by the prompts' lengths.

    That may be more than the prompts: some are asked several times. A server may not count.
    """
    took = sum(told.usage.values(), Usage())
    lengths = [len(each.prompt) for each in questions]
    read = took.prompt_tokens or sum(lengths)
    written = took.completion_tokens or sum(map(len, told.rows))
    shares = zip(_shares(read, lengths), _shares(written, list(map(len, told.rows))), strict=True)
    for question, row, (own_read, own_written) in zip(questions, told.rows, shares, strict=True):
        question.receive(row)
        question.counts.read += own_read
        question.counts.written += own_written


def _shares(total: int, sizes: Sequence[int]) -> list[int]:
    """Part a whole number by sizes."""
    ends = [total * end // sum(sizes) for end in accumulate(sizes)]
    return [end - start for start, end in pairwise([0, *ends])]


def _error_of(future: Future[NextDistributions]) -> Exception | None:
    """Return why there is no reply."""
    error = None if future.cancelled() else future.exception()
    if future.cancelled() or not isinstance(error, Exception | None):
        return ModelError("E707", "the client was closed before its server replied")
    return error


def _alike(questions: Sequence[Question]) -> Iterator[list[Question]]:
    """Group questions that one request can ask."""
    groups: dict[tuple[object, ...], list[Question]] = {}
    for question in questions:
        key = bool(question.chosen), question.ahead, question.row.chain
        groups.setdefault(key, []).append(question)
    yield from groups.values()
