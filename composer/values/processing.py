"""Changes to a model's logits before they are fused or sampled: penalties, biases, bans."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Annotated, Any

from pydantic import AfterValidator, Field

__all__ = [
    "NEUTRAL",
    "NO_PROCESSING",
    "LogitBias",
    "MinTokens",
    "Processing",
    "RepetitionPenalty",
    "TokenPenalty",
]


def _usable(bias: tuple[tuple[int | str, float], ...]) -> tuple[tuple[int | str, float], ...]:
    """Refuse a bias without a token, or with a token twice."""
    tokens: set[int | str] = set()
    for token, _ in bias:
        if token == "" or (isinstance(token, int) and token < 0):
            raise ValueError(
                f"a token is given by an id of 0 or more, or by a text, not by {token!r}"
            )
        if token in tokens:
            raise ValueError(f"it contains {token!r} twice")
        tokens.add(token)
    return bias


RepetitionPenalty = Annotated[float, Field(gt=0, allow_inf_nan=False)]
"""The divisor of the logit of an earlier token; a negative logit is multiplied."""

TokenPenalty = Annotated[float, Field(ge=-2, le=2)]
"""What is subtracted from the logit of a token of the answer so far."""

MinTokens = Annotated[int, Field(ge=0)]
"""The fewest tokens of an answer."""

LogitBias = Annotated[
    tuple[tuple[int | str, Annotated[float, Field(ge=-100, le=100)]], ...], AfterValidator(_usable)
]
"""What is added to the logits of tokens: each by its id, or by a text that is one token."""


NEUTRAL: dict[str, object] = {
    "temperature": 0.0,
    "top_p": 1.0,
    "top_k": 0,
    "min_p": 0.0,
    "stop": (),
    "repetition_penalty": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "logit_bias": (),
    "min_tokens": 0,
}
"""The values of options of `generate` with which a model is asked as without them."""


@dataclass(frozen=True, slots=True)
class Processing:
    """Changes to the logits of one model, in its own tokens, before anything else.

    `logit_bias` and `sequence_bias` are added; `repetition_penalty` covers the tokens of prompt and
    answer (arXiv:1909.05858), `presence_penalty` and `frequency_penalty` those of the answer alone;
    no end comes before `min_tokens`, or before prompt and answer have `min_length`. None is not
    set. Those without an option in recipes come from a file of the model.
    """

    repetition_penalty: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logit_bias: tuple[tuple[int | str, float], ...] | None = None
    min_tokens: int | None = None
    min_length: int | None = None
    no_repeat_ngram_size: int | None = None
    sequence_bias: tuple[tuple[tuple[int, ...], float], ...] | None = None
    bad_words_ids: tuple[tuple[int, ...], ...] | None = None
    suppress_tokens: tuple[int, ...] | None = None
    begin_suppress_tokens: tuple[int, ...] | None = None

    @property
    def set_options(self) -> dict[str, Any]:
        """The options that are set, by name."""
        options = {option.name: getattr(self, option.name) for option in fields(self)}
        return {name: value for name, value in options.items() if value is not None}

    def over(self, weaker: Processing) -> Processing:
        """Return the same options, with those of a weaker processing where none is set here."""
        return replace(weaker, **self.set_options) if self.set_options else weaker


NO_PROCESSING = Processing()
"""No processing: the logits stay as they are."""
