"""What a server said beside the tokens of an answer: its likeliest ones, and chosen ids."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from composer.backends.endpoint.asking.replies import named
from composer.backends.endpoint.asking.token_names import TokenNames
from composer.values.details import LikelyToken, TokenChoice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.backends.endpoint.asking.prompting import PromptWriter
    from composer.backends.endpoint.asking.replies import Choice, NamedToken, Position
    from composer.values.details import TokenDetail
    from composer.values.requests import Generate
    from composer.values.results import Completion

__all__ = ["TokenDetails", "TokenTeller"]


class TokenDetails:
    """Makes choices of a server's positions; ids are known where a tokenizer is, or it tells them.

    A chosen id that did not come is left out.
    """

    def __init__(self, writer: PromptWriter | None) -> None:
        self._writer = writer
        self._names = TokenNames(None if writer is None else writer.vocabulary)

    def spelt(self, choice: Choice) -> Choice:
        """Return an answer whose tokens have their texts, where the server named them by ids."""
        positions = tuple(map(self.spelt_position, choice.positions))
        return replace(choice, positions=positions) if positions else choice

    def spelt_position(self, position: Position) -> Position:
        """Return a token with its text, where the server named it by its id."""
        token, writer = position.token, self._writer
        if token.id is None or writer is None or named(token.text).id is None:
            return position
        piece = b"" if token.id in writer.ends else writer.vocabulary.piece(token.id)
        return replace(position, token=replace(token, text=piece.decode(errors="replace")))

    def choices(
        self, tokens: Sequence[tuple[str, Position]], detail: TokenDetail
    ) -> tuple[TokenChoice, ...]:
        """Return the choices of tokens, each with its text; that of an end token is empty."""
        return tuple(self.choice(name, position, detail) for name, position in tokens)

    def choice(self, name: str, position: Position, detail: TokenDetail) -> TokenChoice:
        """Return the choice of one token."""
        chosen = self._token(position.token, position.logprob or 0.0)
        if not name:
            chosen = chosen._replace(piece=b"")
        others = [*position.top, *((named(key), value) for key, value in position.row.items())]
        ranked = [self._token(token, logprob) for token, logprob in others]
        ranked.sort(key=lambda each: (-each.logprob, each.id != chosen.id))
        top, rest = ranked[: detail.top], ranked[detail.top :]
        by_id = {each.id: each for each in rest}
        return TokenChoice(chosen, (*top, *(by_id[i] for i in detail.ids if i in by_id)))

    def _token(self, token: NamedToken, logprob: float) -> LikelyToken:
        number, writer = self._names.id_of(token), self._writer
        if number is not None and writer is not None:
            piece = b"" if number in writer.ends else writer.vocabulary.piece(number)
            return LikelyToken(piece, logprob, number)
        piece = token.text.encode(errors="replace") if token.spelling is None else token.spelling
        return LikelyToken(piece, logprob, number)


class TokenTeller:
    """Passes the tokens of one answer on while it comes; those that nobody wants, to nobody."""

    def __init__(self, details: TokenDetails, request: Generate) -> None:
        self._details, self._detail, self._tell = details, request.detail, request.on_token
        self._count = 0

    def positions(self, positions: Sequence[Position]) -> None:
        """Pass on tokens whose text comes now."""
        if self._detail is not None and self._tell is not None:
            for position in map(self._details.spelt_position, positions):
                self._tell(self._details.choice(position.token.text, position, self._detail))
            self._count += len(positions)

    def rest(self, completion: Completion) -> None:
        """Pass on the tokens of a whole answer that were not passed on before."""
        if self._tell is not None:
            for choice in completion.choices[self._count :]:
                self._tell(choice)
