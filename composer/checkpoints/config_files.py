"""What a model's small files state, as far as it is used: every value is checked before that."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from composer.specs.json_files import damaged_file, read_json

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping
    from pathlib import Path

    from composer.values.errors import ModelError

__all__ = ["Configuration", "GenerationConfig", "TokenizerSettings", "TokenizerSpelling", "state"]

CONTEXT = ("max_position_embeddings", "context_length", "n_positions", "n_ctx", "max_seq_len")
"""The words for how many tokens a model reads; the first that is there counts."""

SHOWN = 60
"""The letters of a wrong value that an error shows."""

LARGEST = 1 << 22
"""Ids of tokens are below this: the largest vocabularies have a quarter of a million."""

Count = Annotated[int, Field(ge=1, lt=1 << 40)]
Limit = Literal[-1] | Count
"""-1 is a word for none."""

Token = Annotated[int, Field(ge=0, lt=LARGEST)]
Ids = Annotated[int, Field(ge=-1)]
Known = TypeVar("Known", bound=BaseModel)


class _Stated(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, protected_namespaces=())


class Configuration(_Stated):
    """A config.json."""

    model_type: str | None = None
    architectures: list[str] | None = None
    is_encoder_decoder: bool | None = None
    tie_word_embeddings: bool | None = None
    vocab_size: Annotated[int, Field(ge=1, lt=LARGEST)] | None = None
    max_position_embeddings: Limit | None = None
    context_length: Limit | None = None
    n_positions: Limit | None = None
    n_ctx: Limit | None = None
    max_seq_len: Limit | None = None
    num_attention_heads: Count | None = None
    num_key_value_heads: Count | None = None
    num_heads: Count | None = None
    n_head: Count | None = None
    eos_token_id: Ids | list[Ids] | None = None
    sliding_window: Annotated[int, Field(lt=1 << 40)] | None = None
    layer_types: list[str] | None = None
    auto_map: dict[str, Any] | None = None
    text_config: dict[str, Any] | None = None
    quantization_config: dict[str, Any] | None = None
    rope_scaling: dict[str, Any] | None = None
    rope_parameters: dict[str, Any] | None = None
    transformers_weights: str | None = None

    @property
    def context(self) -> int | None:
        """How many tokens it says that the model reads."""
        length = next((found for name in CONTEXT if (found := getattr(self, name))), None)
        return None if length == -1 else length


class GenerationConfig(_Stated):
    """A generation_config.json."""

    eos_token_id: Ids | list[Ids] | None = None


class _Marked(_Stated):
    content: str


class TokenizerSettings(_Stated):
    """A tokenizer_config.json or a special_tokens_map.json."""

    bos_token: str | _Marked | None = None
    eos_token: str | _Marked | None = None
    unk_token: str | _Marked | None = None
    pad_token: str | _Marked | None = None
    sep_token: str | _Marked | None = None
    cls_token: str | _Marked | None = None
    mask_token: str | _Marked | None = None
    added_tokens_decoder: dict[str, Any] | None = None
    add_bos_token: bool | None = None

    @property
    def begin(self) -> str | None:
        """The token that a text begins with."""
        return _content(self.bos_token)

    @property
    def end(self) -> str | None:
        """The token that a text ends with."""
        return _content(self.eos_token)


def _content(token: str | _Marked | None) -> str | None:
    return token.content if isinstance(token, _Marked) else token


class _Added(_Stated):
    id: Token
    content: str
    special: bool
    single_word: bool = False
    normalized: bool = True


class _TokenModel(_Stated):
    vocab: dict[str, Token] | Annotated[list[tuple[str, float]], Field(strict=False)]
    merges: list[str | list[str]] | None = None
    unk_token: str | None = None
    unk_id: Token | None = None
    byte_fallback: bool | None = None
    continuing_subword_prefix: str | None = None
    end_of_word_suffix: str | None = None


class TokenizerSpelling(_Stated):
    """A tokenizer.json."""

    model: _TokenModel
    added_tokens: list[_Added] | None = None


def state(kind: type[Known], file: Path, content: Mapping[str, Any] | None = None) -> Known:
    """Check a file, or a part of it that is already read; one that is not there states nothing."""
    if content is None:
        content = read_json(file) if file.exists() or file.is_symlink() else {}
    for name in _unbounded(content):
        raise damaged_file(file, f"says that `{name}` is not a finite number")
    try:
        return kind.model_validate(content)
    except ValidationError as problem:
        raise _wrong(file, problem, content) from problem


def _wrong(file: Path, problem: ValidationError, content: Mapping[str, Any]) -> ModelError:
    """Name the first value that cannot be, and show it."""
    first = problem.errors(include_url=False, include_context=False)[0]
    words: list[str] = []
    value: Any = content
    for step in first["loc"]:
        if step in _places(value):
            words.append(str(step))
            value = value[step]
    if first["type"] == "missing":
        return damaged_file(file, f"has no `{'.'.join([*words, str(first['loc'][-1])])}`")
    shown = _short(json.dumps(value))
    return damaged_file(file, f"says that `{'.'.join(words)}` is {shown}, which is not allowed")


def _places(value: object) -> Container[object]:
    """Return what leads from a value to those inside it; pydantic's own words do not."""
    return value if isinstance(value, dict) else range(len(value) if isinstance(value, list) else 0)


def _short(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def _unbounded(content: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of numbers that are infinite or none; lists may be open at an end."""
    todo: list[tuple[str, Mapping[str, Any]]] = [("", content)]
    while todo:
        where, nested = todo.pop()
        for name, value in nested.items():
            if isinstance(value, float) and not math.isfinite(value):
                yield f"{where}{name}"
            elif isinstance(value, dict):
                todo.append((f"{where}{name}.", value))
