"""What a model's generation_config.json says of how it is asked, and what of it is heeded.

Penalties and the like belong to the model's logits, wherever it writes; how tokens are drawn, and
how many there are, belongs to an answer that the model writes alone.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from composer.specs.json_files import read_json
from composer.values.errors import ModelError
from composer.values.processing import Processing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

__all__ = ["Stated", "stated_in"]

NEUTRAL: Mapping[str, object] = {
    "repetition_penalty": 1.0,
    "no_repeat_ngram_size": 0,
    "min_length": 0,
    "min_new_tokens": 0,
    "num_beams": 1,
    "num_beam_groups": 1,
    "num_return_sequences": 1,
    "diversity_penalty": 0.0,
    "guidance_scale": 1.0,
    "temperature": None,
    "typical_p": 1.0,
    "epsilon_cutoff": 0.0,
    "eta_cutoff": 0.0,
    "token_healing": False,
}
"""What changes nothing, where it is not to be left out."""

LOGITS = (
    "repetition_penalty",
    "no_repeat_ngram_size",
    "sequence_bias",
    "bad_words_ids",
    "suppress_tokens",
    "begin_suppress_tokens",
    "min_length",
)
"""What changes a model's logits, and can be done here."""

LENGTHS = {"max_new_tokens": "max_tokens", "min_new_tokens": "min_tokens", "max_length": ""}
"""What counts the tokens of an answer, and the option that it is here."""

DRAWS = ("temperature", "top_k", "top_p", "min_p")
"""How tokens are drawn, where they are drawn at all."""

DRAWN_OTHERWISE = ("typical_p", "epsilon_cutoff", "eta_cutoff", "top_h")
REFUSED = (
    *("num_beams", "num_beam_groups", "num_return_sequences", "diversity_penalty"),
    *("guidance_scale", "penalty_alpha", "dola_layers", "exponential_decay_length_penalty"),
    *("forced_bos_token_id", "forced_eos_token_id", "force_words_ids", "constraints"),
    *("watermarking_config", "stop_strings", "max_time", "token_healing"),
)
"""What changes an answer in a way that is not known here."""

FILE, BEFORE = "generation_config.json", "config.json"
TOP_K = 50
"""What transformers draws from where a model draws and nobody says from how many."""


@dataclass(frozen=True)
class Stated:
    """What a folder states: `values` by the names of the file `said_in`, neutral ones left out."""

    said_in: str
    values: Mapping[str, Any]

    @property
    def text(self) -> str:
        """The names and the values, for people."""
        return ", ".join(f"{name} = {_short(value)}" for name, value in self.values.items())

    @property
    def refused(self) -> dict[str, Any]:
        """What cannot be honoured."""
        return {n: v for n, v in self.values.items() if n in (*REFUSED, *DRAWN_OTHERWISE)}

    def processing(self) -> Processing:
        """What is done to the logits; raises ModelError where a value is of no use."""
        logit_options = {n: self._read(n, WANTED[n]) for n in LOGITS if n in self.values}
        assert set(logit_options) <= {each.name for each in fields(Processing)}
        return Processing(**logit_options)

    def settings(self) -> dict[str, Any]:
        """Options of `generate`, for a model that answers alone; raises ModelError as above."""
        options = {o or n: self._read(n, _count) for n, o in LENGTHS.items() if n in self.values}
        if "max_tokens" in options:
            options.pop("max_length", None)
        if "do_sample" in self.values:
            drawn: dict[str, Any] = {"temperature": 1.0, "top_k": TOP_K}
            options |= drawn | {n: self._read(n, WANTED[n]) for n in DRAWS if n in self.values}
        return options

    def _read(self, name: str, read: Callable[[Any], Any]) -> Any:  # noqa: ANN401 - of any type
        try:
            return read(self.values[name])
        except (TypeError, ValueError, OverflowError):
            text = (
                f"`{self.said_in}` has {name} = {_short(self.values[name])}, which is not allowed"
            )
            raise ModelError(
                "E505", text, "correct the file, or write `generation_config = false`"
            ) from None


def stated_in(folder: Path, context: int | None) -> Stated:
    """Read what a folder states; a configuration of before holds it itself."""
    said_in = FILE if (folder / FILE).is_file() else BEFORE
    content = read_json(folder / said_in)
    drawn = ("do_sample", *DRAWS, *DRAWN_OTHERWISE) if content.get("do_sample") is True else ()
    names = {*LOGITS, *LENGTHS, *drawn, *REFUSED}
    values = {n: value for n, value in content.items() if n in names and _matters(n, value)}
    longest = values.get("max_length")
    if isinstance(longest, int) and context is not None and longest >= context:
        del values["max_length"]
    return Stated(said_in, values)


def _matters(name: str, value: object) -> bool:
    """Say whether a value changes an answer."""
    return value is not None and value not in ([], {}) and value != NEUTRAL.get(name, ...)


def _number(low: float, high: float = math.inf) -> Callable[[Any], float]:
    """Read a number above one limit, and up to another."""

    def read(value: Any) -> float:  # noqa: ANN401 - of any type
        number = float(value)
        if isinstance(value, bool | str) or not low < number <= high or math.isinf(number):
            raise ValueError(value)
        return number

    return read


def _count(value: Any) -> int:  # noqa: ANN401 - of any type
    """Read a whole number, 0 or more."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(value)
    return value


def _ids(value: Any) -> tuple[int, ...]:  # noqa: ANN401 - of any type
    """Read ids of tokens."""
    if not isinstance(value, list) or not value:
        raise TypeError(value)
    return tuple(_count(each) for each in value)


def _words(value: Any) -> tuple[tuple[int, ...], ...]:  # noqa: ANN401 - of any type
    """Read sequences of tokens."""
    return tuple(_ids(each) for each in value)


def _biases(value: Any) -> tuple[tuple[tuple[int, ...], float], ...]:  # noqa: ANN401 - of any type
    """Read what is added to the last token of sequences."""
    return tuple((_ids(ids), _number(-math.inf)(by)) for ids, by in value)


WANTED: Mapping[str, Callable[[Any], Any]] = {
    "repetition_penalty": _number(0),
    "no_repeat_ngram_size": _count,
    "min_length": _count,
    "sequence_bias": _biases,
    "bad_words_ids": _words,
    "suppress_tokens": _ids,
    "begin_suppress_tokens": _ids,
    "temperature": _number(0),
    "top_k": _count,
    "top_p": _number(0, 1),
    "min_p": _number(-1e-9, 1),
}
"""How a value of each name is read."""

SHOWN = 40


def _short(value: object) -> str:
    """Write a value, cut where it is long."""
    text = json.dumps(value)
    return f"{text[: SHOWN - 3]}..." if len(text) > SHOWN else text
