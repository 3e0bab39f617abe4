"""Which token a server means: by its id, by its bytes, or by a text that only one token has."""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property
from typing import TYPE_CHECKING

from composer.backends.endpoint.asking.replies import named

if TYPE_CHECKING:
    from composer.backends.endpoint.asking.replies import NamedToken, Position
    from composer.checkpoints.vocabulary import Vocabulary

__all__ = ["TokenNames"]


class TokenNames:
    """Finds ids of tokens in a vocabulary; without one, only tokens that come with an id."""

    def __init__(self, vocabulary: Vocabulary | None) -> None:
        self._vocabulary = vocabulary
        self._known: tuple[dict[str, int | None], ...] = ({}, {})

    def id_of(self, token: NamedToken, *, collided: bool = False) -> int | None:
        """Return the id of a token, None where it cannot be known.

        A text that several tokens have is the one that the tokenizer writes it with, a whole token
        before the name of a lone byte. Where texts have `collided`, one entry stands for another
        token's value, so that such a text tells nothing.
        """
        if token.id is not None or self._vocabulary is None:
            return token.id
        if token.spelling is not None and token.spelling in self._vocabulary.ids:
            same = self._by_text[token.spelling.decode(errors="replace")]
            return None if collided and len(same) > 1 else self._vocabulary.ids[token.spelling]
        ids = self._by_text.get(token.text, ())
        if len(ids) == 1:
            return ids[0]
        whole = [each for each in ids if each not in self._vocabulary.lone]
        return whole[0] if len(whole) == 1 and not collided else None

    def ids_of(self, position: Position, wanted: int) -> dict[int, float]:
        """Return log-probabilities by id; fewer entries than `wanted` mean that texts collided."""
        collided = position.likely < wanted
        known = self._known[collided]
        try:
            ids = {known[name]: value for name, value in position.row.items()}
        except KeyError:
            for name in position.row.keys() - known.keys():
                known[name] = self.id_of(named(name), collided=collided)
            return self.ids_of(position, wanted)
        ids |= {self.id_of(token, collided=collided): value for token, value in position.top}
        return {number: value for number, value in ids.items() if number is not None}

    @cached_property
    def _by_text(self) -> dict[str, tuple[int, ...]]:
        """The ids of each text; special tokens go by their names, a token without a text by none.

        Where bytes are no whole characters, servers write replacement characters or nothing.
        """
        assert self._vocabulary is not None
        ids: dict[str, list[int]] = defaultdict(list)
        for number, piece in enumerate(self._vocabulary.pieces):
            if piece is not None:
                ids[piece.decode(errors="replace")].append(number)
        for name, number in self._vocabulary.names().items():
            if number in self._vocabulary.special:
                ids[name].append(number)
        return {text: tuple(numbers) for text, numbers in ids.items() if text}
