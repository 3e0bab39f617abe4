"""Tokens and their log-probabilities as JSON, in the two forms of the protocol.

Chats describe each token with its bytes. Completions have an object from texts to numbers for each
place. There a token whose text another one has already, such as a part of a character, is named by
its id (`token_id:262`) or by its bytes (`bytes:` and digits), so that none hides another.
"""

from __future__ import annotations

import codecs
import json
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.backends.endpoint.asking.prompting import PromptWriter
    from composer.values.details import LikelyToken, TokenChoice

__all__ = ["Offsets", "TokenNames"]

LEAST = -9999.0
"""What stands for the logarithm of 0, which JSON cannot hold, as in other servers."""


class TokenNames:
    """Names tokens by their texts, or by ids where a request wants that.

    `tokenizer` is that of the served model, which knows the names of special tokens.
    """

    def __init__(self, tokenizer: PromptWriter | None, *, as_ids: bool) -> None:
        self._tokenizer, self._as_ids = tokenizer, as_ids

    def name(self, token: LikelyToken) -> str:
        """Return what a token is called: a special token has no bytes, and goes by its name."""
        if self._as_ids and token.id is not None:
            return f"token_id:{token.id}"
        if token.piece or token.id is None:
            return token.piece.decode(errors="replace")
        return self._special.get(token.id, "")

    def chat(self, choices: Sequence[TokenChoice]) -> str:
        """Return tokens as chats describe them, without the brackets around the list."""
        return ",".join(map(self._described, choices))

    def completion(self, choices: Sequence[TokenChoice | LikelyToken], offsets: Offsets) -> str:
        """Return tokens as completions list them; one without a log-probability is a LikelyToken.

        `offsets` goes on from token to token.
        """
        chosen = [each if isinstance(each, tuple) else each.chosen for each in choices]
        names = [self.name(each) for each in chosen]
        logprobs = [
            "null" if isinstance(each, tuple) else _number(each.chosen.logprob) for each in choices
        ]
        rows = ["null" if isinstance(each, tuple) else self._row(each) for each in choices]
        places = [str(offsets.before(each.piece)) for each in chosen]
        return (
            f'{{"text_offset":[{",".join(places)}],"token_logprobs":[{",".join(logprobs)}],'
            f'"tokens":[{",".join(map(json.dumps, names))}],"top_logprobs":[{",".join(rows)}]}}'
        )

    def _described(self, choice: TokenChoice) -> str:
        top = ",".join(f"{{{self._fields(each)}}}" for each in choice.top)
        return f'{{{self._fields(choice.chosen)},"top_logprobs":[{top}]}}'

    def _fields(self, token: LikelyToken) -> str:
        name = self.name(token)
        spelling = ",".join(map(str, token.piece or name.encode()))
        logprob = _number(token.logprob)
        return f'"token":{json.dumps(name)},"logprob":{logprob},"bytes":[{spelling}]'

    def _row(self, choice: TokenChoice) -> str:
        """Return the tokens of one place by name; the chosen one is always among them."""
        row = {self.name(choice.chosen): choice.chosen.logprob}
        for token in choice.top:
            if not _is_same(token, choice.chosen):
                name = self.name(token)
                row[name if name not in row else _other_name(token)] = token.logprob
        pairs = (f"{json.dumps(name)}:{_number(value)}" for name, value in row.items())
        return f"{{{','.join(pairs)}}}"

    @cached_property
    def _special(self) -> dict[int, str]:
        return {} if self._tokenizer is None else self._tokenizer.special_names


class Offsets:
    """Counts the characters before each token of a text, also where tokens split characters."""

    def __init__(self, start: int = 0) -> None:
        self._at = start
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def before(self, piece: bytes) -> int:
        """Return how many characters came before a token, and take the token up."""
        at = self._at
        self._at += len(self._decoder.decode(piece))
        return at


def _is_same(token: LikelyToken, other: LikelyToken) -> bool:
    return token.id == other.id and token.piece == other.piece


def _other_name(token: LikelyToken) -> str:
    """Name a token by what no other has."""
    if token.id is not None:
        return f"token_id:{token.id}"
    return "bytes:" + "".join(f"\\x{byte:02x}" for byte in token.piece)


def _number(logprob: float) -> str:
    return repr(max(logprob, LEAST))
