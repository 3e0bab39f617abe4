"""Scores of given texts: completions that echo their prompt, with its log-probabilities.

Which of the echoed tokens are the text's is found by ids, where the tokenizer is known: a server
may leave out the token that begins texts, and adds the one that it had to write. What was echoed is
held against the tokens that were meant, so that no score can belong to its neighbour.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from composer.backends.endpoint.asking.next_tokens import chunks
from composer.backends.endpoint.asking.replies import choices_of, spent
from composer.backends.endpoint.asking.token_details import TokenDetails
from composer.backends.endpoint.faults import BadReplyError
from composer.values.details import LikelyToken
from composer.values.errors import ModelError
from composer.values.gather import side_by_side
from composer.values.media import refuse_media
from composer.values.results import Score, Usage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.backends.endpoint.asking.prompting import PromptWriter
    from composer.backends.endpoint.asking.replies import Choice, Position
    from composer.backends.endpoint.asking.served import ServedModel
    from composer.values.details import TokenChoice, TokenDetail
    from composer.values.flow import JSON
    from composer.values.requests import ScoreTexts

__all__ = ["TextScorer"]


@dataclass(frozen=True, slots=True)
class Passage:
    """A text to score behind a prompt: as ids, or, where the tokenizer is not known, as texts.

    The last `own` ids of the prompt are of the text itself, which has nothing before them.
    """

    prompt: Sequence[int] | str
    text: Sequence[int] | str
    own: int = 0


class EchoTokens(NamedTuple):
    """The tokens of a text out of what was echoed: with a score, and those `before` without."""

    names: Sequence[str]
    places: Sequence[Position]
    before: Sequence[LikelyToken]


class TextScorer:
    """Asks a server how probable given texts are."""

    def __init__(self, model: ServedModel) -> None:
        self._model = model
        self._details = TokenDetails(model.writer)

    async def score(self, request: ScoreTexts) -> tuple[Score, ...]:
        """Score each text; raises ModelError, E302 where the server does not score texts."""
        model = self._model
        if not model.gives.echo or not model.gives.completions:
            raise model.lacks(
                "gives no log-probabilities of a given text",
                "choose among whole answers instead: `[A, B] -> vote()`",
            )
        texts: Sequence[str | None] = (None,) if request.texts is None else request.texts
        passages = [self._passage(request, text) for text in texts]
        wanted = [each for each in passages if each.text]
        ask = partial(self._ask, request.detail)
        parts = await side_by_side(map(ask, chunks(wanted, model.gives.prompts)))
        scores = iter([score for part in parts for score in part])
        return tuple(next(scores) if each.text else Score((), ()) for each in passages)

    def _passage(self, request: ScoreTexts, text: str | None) -> Passage:
        """Return what is scored, and what stands before it."""
        writer = self._model.writer
        query = request.query
        messages = () if query is None else query.messages
        if query is not None:
            content = "\n".join(content for _, content in messages)
            refuse_media(self._model.name, query.id, content, query.media)
        if writer is None:
            return self._plain(request, text)
        if text is None:
            assert query is not None
            if query.raw and not query.ids:
                prompt, ids = writer.plain(query.text)
                return Passage(prompt, ids, 0 if writer.opening else len(prompt))
            first, *rest = writer.prompt(query)
            return Passage([first], rest, int(query.raw))
        if query is None:
            return Passage(*writer.plain(text))
        prompt = writer.prompt(query, request.prefix)
        return Passage(prompt, writer.vocabulary.extend(text.encode(errors="replace")))

    def _plain(self, request: ScoreTexts, text: str | None) -> Passage:
        """Return a passage as texts: the first token of what stands alone has no score."""
        query = request.query
        if query is not None and self._model.by_chat and not query.raw:
            raise self._model.lacks(
                "writes the prompts of chats itself, so that an answer to one cannot be scored",
                'name the tokenizer of the model: `tokenizer = "folder or hub id"`',
            )
        prompt = self._model.prompt(query, request.prefix) if query is not None else ""
        assert isinstance(prompt, str)
        return Passage("", prompt) if text is None else Passage(prompt, text)

    async def _ask(self, detail: TokenDetail | None, passages: Sequence[Passage]) -> list[Score]:
        """Score passages by one request; the server tells as many likeliest tokens as it can."""
        model, count = self._model, len(passages)
        written = 0 if model.gives.echo_only else 1
        prompts = [self._whole(each) for each in passages]
        body: dict[str, JSON] = {
            **model.neutral,
            "prompt": prompts if count > 1 else prompts[0],
            "max_tokens": written,
            "echo": True,
            "logprobs": 1 if detail is None else max(1, min(model.gives.top, detail.top)),
        }
        if model.gives.ids and model.writer is not None:
            body["return_tokens_as_token_ids"] = True

        def read(reply: dict[str, JSON]) -> tuple[list[Score], Usage]:
            pairs = zip(choices_of(reply, count), passages, strict=True)
            echoes = [self._tokens_of(choice, passage, written) for choice, passage in pairs]
            return [self._score(each, detail) for each in echoes], spent(reply, model.options.price)

        size = sum(len(each.prompt) + len(each.text) for each in passages)
        scores, _ = await model.complete(body, read, size + written * count)
        return scores

    def _whole(self, passage: Passage) -> JSON:
        """Return a passage as the server takes it."""
        prompt, text = passage.prompt, passage.text
        if isinstance(prompt, str) or isinstance(text, str):
            return f"{prompt}{text}"
        writer, ids = self._model.writer, [*prompt, *text]
        return list(ids) if self._model.gives.prompt_ids or not writer else writer.text_of(ids)

    def _score(self, tokens: EchoTokens, detail: TokenDetail | None) -> Score:
        """Return the score of tokens, with what is wanted of each."""
        choices: tuple[TokenChoice, ...] = ()
        if detail is not None:
            places = zip(tokens.names, tokens.places, strict=True)
            choices = self._details.choices(tuple(places), detail)
        return Score(tuple(tokens.names), _logprobs(tokens.places), choices, tuple(tokens.before))

    def _tokens_of(self, choice: Choice, passage: Passage, written: int) -> EchoTokens:
        """Pick the text's tokens out of what was echoed.

        A server that leaves out the token that begins texts has no score for the one behind it.
        """
        if isinstance(passage.prompt, str) or isinstance(passage.text, str):
            return self._by_letters(choice, str(passage.prompt), str(passage.text))
        assert self._model.writer is not None
        ids, start = [*passage.prompt, *passage.text], len(passage.prompt)
        unlisted = next(
            (
                left_out
                for left_out in (0, 1)
                if 0 <= len(choice.positions) - (len(ids) - left_out) <= written
                and _same(choice.positions, ids[left_out:], self._model.writer)
            ),
            None,
        )
        if unlisted is None:
            raise self._model.lacks(
                "cut a text into other tokens than the tokenizer that the recipe names",
                "check that `tokenizer` is that of the served model",
            )
        own, vocabulary = start - passage.own, self._model.writer.vocabulary
        start += choice.positions[0].logprob is None and start == unlisted
        places = choice.positions[start - unlisted : len(ids) - unlisted]
        names = [vocabulary.piece(each).decode(errors="replace") for each in ids[start:]]
        before = [LikelyToken(vocabulary.piece(n), math.nan, n) for n in ids[own:start]]
        return EchoTokens(names, places, before)

    def _by_letters(self, choice: Choice, prompt: str, text: str) -> EchoTokens:
        """Find the text's tokens by the letters of all tokens; raises ModelError for a split one.

        Some servers write a space before the first token, which is not of the text.
        """
        names = [position.token.text for position in choice.positions]
        spelt = "".join(names)
        start = 1 if spelt.startswith(f" {prompt}{text}") else 0
        if not spelt.startswith(f"{prompt}{text}", start):
            raise self._unknown("the tokens that came back do not spell the text")
        at, first, last = -start, None, len(names)
        for number, name in enumerate(names):
            if at == len(prompt) + len(text):
                last = number
                break
            first = number if first is None and max(at, 0) == len(prompt) else first
            at += len(name)
        if first is None or at < len(prompt) + len(text):
            raise self._unknown("a token of the server holds the end of the prompt and more")
        start = first
        first += choice.positions[first].logprob is None and first == 0
        before = [LikelyToken(name.encode(), math.nan) for name in names[start:first]]
        return EchoTokens(names[first:last], choice.positions[first:last], before)

    def _unknown(self, why: str) -> ModelError:
        return ModelError(
            "E302",
            f"a text cannot be scored by the server of `{self._model.name}`: {why}",
            'name the tokenizer of the model: `tokenizer = "folder or hub id"`',
        )


def _same(positions: Sequence[Position], ids: Sequence[int], writer: PromptWriter) -> bool:
    """Say whether tokens that came back are those of the ids, as far as their names tell."""
    return all(map(writer.is_named, ids, positions))


def _logprobs(places: Sequence[Position]) -> tuple[float, ...]:
    values = tuple(each.logprob for each in places)
    known = tuple(value for value in values if value is not None)
    if len(known) < len(values):
        raise BadReplyError("a token of the text came without its log-probability")
    return known
