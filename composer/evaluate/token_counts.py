"""How many tokens texts have, by a model's own tokenizer where its files are here."""

from __future__ import annotations

import math
from functools import cache, lru_cache
from statistics import fmean
from typing import TYPE_CHECKING

from composer.evaluate.recipes import data_names, declarations

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tokenizers import Tokenizer

    from composer.backends import Declaration
    from composer.evaluate.rows import EvaluationRow
    from composer.recipe import Recipe
    from composer.specs.models import Checkpoint
    from composer.values import Message

__all__ = ["CHARACTERS", "DataTokens"]

CHARACTERS = 4
"""Characters that one token is taken to have where no tokenizer is at hand."""

TEMPLATE = 4
"""Tokens that a chat template is taken to add to a message."""


class DataTokens:
    """Counts tokens for the models of a recipe, and knows the mean length of recorded answers.

    `approximate` has the names of models whose tokens were estimated from characters.
    """

    def __init__(self, recipe: Recipe, rows: Sequence[EvaluationRow]) -> None:
        self.approximate: set[str] = set()
        self.means: dict[str, float] = {}
        for name, declaration in declarations(recipe).items():
            lengths = list(self._recorded(name, declaration, rows))
            if lengths:
                self.means[name] = fmean(lengths)

    def count(self, model: Checkpoint, messages: tuple[Message, ...]) -> int:
        """Return how many tokens a model reads for messages."""
        texts = [content for _, content in messages if content]
        return self._length(model.name, model.folder, "\n".join(texts)) + TEMPLATE * len(texts)

    def mean_answer(self, name: str) -> float | None:
        """Return the mean tokens of a model's recorded answers, None where none is recorded."""
        return self.means.get(name)

    def _recorded(
        self, name: str, declaration: Declaration, rows: Sequence[EvaluationRow]
    ) -> Iterator[int]:
        """Yield the tokens of a model's recorded answers: as recorded, else counted."""
        folder: Path | None = getattr(declaration, "folder", None)
        for row in rows:
            outcomes = (row.recorded.get(each) for each in data_names(name, declaration))
            outcome = next((each for each in outcomes if each is not None), {})
            if outcome.get("completion_tokens") is not None:
                yield int(outcome["completion_tokens"])
            elif outcome.get("text") is not None:
                yield self._length(name, folder, str(outcome["text"]))

    def _length(self, name: str, folder: Path | None, text: str) -> int:
        tokenizer = _tokenizer(folder) if folder is not None else None
        if tokenizer is None:
            self.approximate.add(name)
            return math.ceil(len(text) / CHARACTERS)
        return _counted(tokenizer, text)


@lru_cache(maxsize=100_000)
def _counted(tokenizer: Tokenizer, text: str) -> int:
    return len(tokenizer.encode(text).ids)


@cache
def _tokenizer(folder: Path) -> Tokenizer | None:
    """Read the tokenizer of a folder; None where there is none that can be read so."""
    from tokenizers import Tokenizer

    file = folder / "tokenizer.json"
    try:
        return Tokenizer.from_file(str(file)) if file.is_file() else None
    except Exception:  # noqa: BLE001 - the library raises this class itself; characters do as well
        return None
