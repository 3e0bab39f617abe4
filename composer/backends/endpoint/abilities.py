"""What a server was found to give, or what a recipe says that it gives."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Abilities"]


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
