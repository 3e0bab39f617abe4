"""What a server was found to give, or what a recipe says that it gives."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Abilities"]

DRAWS = 64
"""Answers that a server which gives several is asked for at once."""


@dataclass(frozen=True, slots=True)
class Abilities:
    """What one model of one server can do, and how much of it.

    `chat` and `completions` are the two ways to ask. `logprobs` says whether the tokens of an
    answer come with their log-probabilities in a chat; `top` is how many likeliest tokens a
    completion gives at each position, `chosen` how many chosen ids it can be asked for (0: none).
    `ids` says that tokens are named by their ids and not by their texts, `prompt_ids` that a prompt
    can be given as token ids, `prompts` how many prompts one request may hold. `echo` says that the
    tokens of a prompt are scored, `echo_only` that this needs no new token. `several` says that one
    request can have several answers, `seeds` that a seed repeats an answer, `stops` how many stop
    strings are honoured, `continues` that a chat can go on from a partial answer, `schema` that
    answers follow a JSON schema, `usage` that tokens are counted, `embeddings` that texts become
    vectors. `penalties` (presence and frequency), `logit_bias`, `top_k`, `min_p`, `min_tokens`,
    `repetition_penalty` and `repeat_penalty` (llama.cpp's name of the same) are options of a
    request that have an effect. `context` is how many tokens it reads, 0 if it does not say.
    """

    chat: bool = False
    completions: bool = False
    logprobs: bool = False
    top: int = 0
    chosen: int = 0
    ids: bool = False
    prompt_ids: bool = False
    prompts: int = 1
    echo: bool = False
    echo_only: bool = False
    several: bool = False
    seeds: bool = False
    stops: int = 0
    continues: bool = False
    schema: bool = False
    usage: bool = False
    embeddings: bool = False
    penalties: bool = False
    logit_bias: bool = False
    top_k: bool = False
    min_p: bool = False
    min_tokens: bool = False
    repetition_penalty: bool = False
    repeat_penalty: bool = False
    context: int = 0

    @property
    def most_draws(self) -> int:
        """How many answers one request is asked for at most."""
        return DRAWS if self.several else 1

    @classmethod
    def common(cls, several: Sequence[Abilities]) -> Abilities:
        """Return what all of several servers give."""
        if len(several) == 1:
            return several[0]
        rows = [asdict(each) for each in several]
        smallest = {name: min(row[name] for row in rows) for name in rows[0]}
        contexts = [row["context"] for row in rows if row["context"]]
        return cls(**(smallest | {"context": min(contexts, default=0)}))

    def words(self, *, given: bool) -> tuple[str, ...]:
        """Name in words what is given, or what is not."""
        amounts = asdict(self).items()
        return tuple(self.word(n) for n, amount in amounts if (amount > LEAST.get(n, 0)) is given)

    def word(self, name: str) -> str:
        """What an ability is called, with its amount if there is one."""
        text, without = _WORDS[name]
        amount = getattr(self, name)
        return text.format(amount) if amount > LEAST.get(name, 0) else without


LEAST = {"prompts": 1}
"""Amounts that are nothing, where that is not 0."""

_WORDS = {
    "chat": ("chat", "chat"),
    "completions": ("completions", "completions"),
    "logprobs": ("log-probabilities of answers", "log-probabilities of answers"),
    "top": ("the {} likeliest tokens", "the likeliest tokens"),
    "chosen": ("{} chosen ids", "chosen ids"),
    "ids": ("tokens by id", "tokens by id"),
    "prompt_ids": ("prompts as ids", "prompts as ids"),
    "prompts": ("{} prompts a request", "several prompts a request"),
    "echo": ("scores of a prompt (echo)", "scores of a prompt (echo)"),
    "echo_only": ("scores without a new token", "scores without a new token"),
    "several": ("several answers a request", "several answers a request"),
    "seeds": ("seeds", "seeds"),
    "stops": ("{} stop strings", "stop strings"),
    "continues": ("chats from a partial answer", "chats from a partial answer"),
    "schema": ("JSON schemas", "JSON schemas"),
    "usage": ("token counts", "token counts"),
    "embeddings": ("embeddings", "embeddings"),
    "penalties": ("presence and frequency penalties", "presence and frequency penalties"),
    "logit_bias": ("logit_bias", "logit_bias"),
    "top_k": ("top_k", "top_k"),
    "min_p": ("min_p", "min_p"),
    "min_tokens": ("min_tokens", "min_tokens"),
    "repetition_penalty": ("repetition_penalty", "repetition_penalty"),
    "repeat_penalty": ("repeat_penalty", "repeat_penalty"),
    "context": ("a context of {} tokens", "how long its context is"),
}
"""What each ability is called, with its amount, and where it is lacking."""
