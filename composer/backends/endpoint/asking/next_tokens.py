"""Next-token distributions from a server: completions of a token, with its log-probabilities.

Prompts are token ids, several a request, where a server takes them so. Elsewhere the text of the
ids is sent, if it is sure to be cut into the same ids again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from composer.backends.endpoint.asking.replies import choices_of, spent
from composer.backends.endpoint.asking.token_names import TokenNames
from composer.backends.endpoint.asking.turns import Turns
from composer.backends.endpoint.faults import BadReplyError
from composer.diagnostics.amounts import counted
from composer.values.gather import side_by_side
from composer.values.results import Distribution, NextDistributions, Usage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.backends.endpoint.asking.replies import Choice, Position
    from composer.backends.endpoint.asking.served import ServedModel
    from composer.values.flow import JSON
    from composer.values.requests import NextTokens

    Ids = tuple[int, ...]
    Rows = list[tuple[Distribution, ...]]

__all__ = ["NextTokenReader", "chunks"]

T = TypeVar("T")

TOKENIZER = 'name the tokenizer of the model: `tokenizer = "folder or hub id"`'


@dataclass(frozen=True, slots=True)
class Part:
    """What one HTTP request asks of some prompts."""

    prompts: Sequence[Ids]
    top: int
    ids: Ids
    ahead: int
    bias: dict[str, JSON] = field(default_factory=dict)


class NextTokenReader:
    """Asks a server for next-token distributions."""

    def __init__(self, model: ServedModel) -> None:
        self._model = model
        vocabulary = None if model.writer is None else model.writer.vocabulary
        self._names = TokenNames(vocabulary)
        self._turns = Turns()

    async def read(self, request: NextTokens) -> NextDistributions:
        """Return the distributions behind each prompt; raises ModelError.

        Chosen ids are asked for in as many requests as the server's limit needs.
        """
        self._check(request)
        prompts = chunks(request.prompts, self._model.gives.prompts)
        answers = await side_by_side(self._about(some, request) for some in prompts)
        rows = tuple(row for some, _ in answers for row in some)
        usage = sum((each for _, each in answers), Usage())
        return NextDistributions(rows, {self._model.name: usage})

    async def _about(self, prompts: Sequence[Ids], request: NextTokens) -> tuple[Rows, Usage]:
        """Ask of prompts that fit into one request: of the likeliest tokens, of chosen ones."""
        ids = list(chunks(request.ids, self._model.gives.chosen))
        parts = [
            Part(prompts, request.top, some, request.ahead)
            for some in (ids if ids and request.top <= 1 else [(), *ids])
        ]
        answers = await side_by_side(map(self._ask, parts))
        rows = [_merged(each) for each in zip(*(rows for rows, _ in answers), strict=True)]
        return rows, sum((usage for _, usage in answers), Usage())

    def _check(self, request: NextTokens) -> None:
        gives, model = self._model.gives, self._model
        if not gives.completions or not gives.top:
            raise model.lacks(
                "gives no log-probabilities of the likeliest next tokens",
                "fuse its whole answers instead: `[A, B] -> vote()`",
            )
        if request.top > gives.top:
            raise model.lacks(
                f"gives {counted(gives.top, 'next token')} at most, and {request.top} are wanted",
                "state more with `abilities = [top: ...]` if it gives them",
            )
        if request.ids and not gives.chosen:
            raise model.lacks(
                "cannot be asked for chosen tokens", "use what it gives: its likeliest tokens"
            )
        if not gives.ids and model.writer is None:
            raise model.lacks(
                "names tokens by their texts, so their ids are not known",
                TOKENIZER,
            )

    async def _ask(self, part: Part) -> tuple[Rows, Usage]:
        """Put one request; ask again where a prompt was ended before a token was shown."""
        model = self._model
        body: dict[str, JSON] = {
            **model.neutral,
            "prompt": self._prompt(part.prompts),
            "max_tokens": part.ahead,
            "logprobs": part.top,
        }
        if part.bias:
            body["logit_bias"] = part.bias
        if model.gives.ids:
            body["return_tokens_as_token_ids"] = True
        if part.ids:
            body["logprob_token_ids"] = list(part.ids)
        read, count = sum(map(len, part.prompts)), len(part.prompts)

        def distributions(reply: dict[str, JSON]) -> tuple[Rows, Usage]:
            rows = [self._row(choice, part) for choice in choices_of(reply, count)]
            return rows, spent(reply, model.options.price)

        async with self._turns.turn(bool(part.ids)):
            rows, usage = await model.complete(body, distributions, read + count * part.ahead)
        self._same_length(part, usage)
        return await self._complete(part, rows, usage)

    async def _complete(self, part: Part, rows: Rows, usage: Usage) -> tuple[Rows, Usage]:
        """Ask again where nothing was shown: some servers end an answer before its end token.

        A bias on the end tokens leaves the log-probabilities as they are, which are raw.
        """
        empty = [at for at, row in enumerate(rows) if not row]
        writer = self._model.writer
        if not empty:
            return rows, usage
        if part.bias or writer is None or not writer.ends:
            raise self._model.lacks(
                "gives no log-probabilities where an answer ends",
                TOKENIZER,
            )
        bias: dict[str, JSON] = {str(token): -100 for token in sorted(writer.ends)}
        again = Part([part.prompts[at] for at in empty], part.top, part.ids, 1, bias)
        filled, more = await self._ask(again)
        (end,) = writer.ends if len(writer.ends) == 1 else (None,)
        for at, row in zip(empty, filled, strict=True):
            rows[at] = (Distribution(row[0].logprobs, end),)
        return rows, usage + more

    def _prompt(self, prompts: Sequence[Ids]) -> JSON:
        """Return prompts as the server takes them; raises ModelError where it cannot."""
        model = self._model
        if model.gives.prompt_ids:
            return [list(prompt) for prompt in prompts]
        if model.writer is None:
            raise model.lacks("takes no token ids", TOKENIZER)
        texts: list[JSON] = [model.writer.text_of(prompt) for prompt in prompts]
        return texts if len(texts) > 1 else texts[0]

    def _same_length(self, part: Part, usage: Usage) -> None:
        """Hold the count of the tokens that were read against those that were meant."""
        meant = sum(map(len, part.prompts))
        if not self._model.gives.prompt_ids and usage.prompt_tokens not in (0, meant):
            raise self._model.lacks(
                f"cut a prompt of {counted(meant, 'token')} into {usage.prompt_tokens}, so its "
                "log-probabilities are those of other tokens",
                "check that `tokenizer` is that of the served model",
            )

    def _row(self, choice: Choice, part: Part) -> tuple[Distribution, ...]:
        """Read the distributions behind one prompt, up to a token that cannot be told."""
        positions = choice.positions
        if len(positions) > part.ahead or (
            choice.finish == "length" and len(positions) < part.ahead
        ):
            count = counted(len(positions), "token")
            raise BadReplyError(f"log-probabilities of {count} came, and not of {part.ahead}")
        row: list[Distribution] = []
        for position in positions:
            row.append(self._distribution(position, part))
            if row[-1].written is None:
                break
        missing = set(part.ids) - row[0].logprobs.keys() if row else set()
        if missing:
            raise BadReplyError(f"{counted(len(missing), 'chosen token')} did not come")
        return tuple(row)

    def _distribution(self, position: Position, part: Part) -> Distribution:
        """Read a distribution.

        vLLM loses the likeliest tokens in a step that is asked for chosen ones too (vllm #51789).
        Once that was seen, the two kinds of requests are kept apart.
        """
        if self._model.gives.ids and not part.ids and position.likely < part.top:
            self._turns.apart = True
            tokens = counted(part.top, "likeliest token")
            raise BadReplyError(f"{tokens} were asked for, and {position.likely} came")
        own = self._names.id_of(position.token)
        logprobs = self._names.ids_of(position, 0 if part.ids else part.top)
        if own is not None and position.logprob is not None:
            logprobs.setdefault(own, position.logprob)
        if not logprobs:
            raise BadReplyError("a token came without log-probabilities")
        return Distribution(logprobs, None if part.bias else own)


def _merged(rows: Sequence[tuple[Distribution, ...]]) -> tuple[Distribution, ...]:
    """Join what several requests told of one prompt."""
    merged = []
    for places in zip(*rows, strict=False):
        logprobs = {token: value for each in places for token, value in each.logprobs.items()}
        merged.append(Distribution(logprobs, places[0].written))
        if any(each.written != places[0].written for each in places):
            break
    return tuple(merged)


def chunks(values: Sequence[T], size: int) -> list[tuple[T, ...]]:
    """Part values into tuples of at most so many."""
    size = max(size, 1)
    return [tuple(values[at : at + size]) for at in range(0, len(values), size)]
