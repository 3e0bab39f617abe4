"""Training batches: single questions, and now and then short conversations."""

from __future__ import annotations

from itertools import islice
from random import Random
from typing import TYPE_CHECKING

from composer.fit.zoo.skills import Question, stream
from composer.fit.zoo.tokens import prompt
from composer.heavy import torch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor
    from transformers import PreTrainedTokenizerFast

SYSTEM_SHARE = 0.4
PROMPT_WEIGHT = 0.05
CONVERSATIONS = 0.08
SYSTEMS = (
    "Answer the question.",
    "You are a helpful assistant.",
    "Be brief.",
    "Think, then answer.",
)

Row = tuple[list[int], list[float]]


class Batches:
    """Token ids with a weight a token, drawn without end from the skills of a model."""

    def __init__(
        self, tokens: PreTrainedTokenizerFast, skills: Sequence[str], seed: int, size: int = 64
    ) -> None:
        self.tokens, self.size = tokens, size
        self.rng = Random(seed)
        self.questions = stream(skills, f"train {seed}")

    def __iter__(self) -> Iterator[list[tuple[Tensor, Tensor]]]:
        while True:
            if self.rng.random() < CONVERSATIONS:
                rows = [self.conversation() for _ in range(self.size // 3)]
            else:
                rows = [self.turn(one) for one in islice(self.questions, self.size)]
            yield self.parts(rows)

    def turn(self, one: Question) -> Row:
        """One question and its answer, closed by the end-of-sequence token."""
        prompt_ids = self.ids(prompt(one.query))
        answer_ids = [*self.ids(" " + one.answer), self.tokens.eos_token_id]
        return prompt_ids + answer_ids, [PROMPT_WEIGHT] * len(prompt_ids) + [1.0] * len(answer_ids)

    def conversation(self) -> Row:
        """Up to three turns as the chat template writes them, some behind a system message."""
        system = (
            self.ids(self.rng.choice(SYSTEMS) + "\n") if self.rng.random() < SYSTEM_SHARE else []
        )
        ids, weights = list(system), [0.0] * len(system)
        for one in islice(self.questions, self.rng.randint(1, 3)):
            gap = self.ids("\n") if len(ids) > len(system) else []
            more, weight = self.turn(one)
            ids += gap + more
            weights += [0.0] * len(gap) + weight
        return ids, weights

    def ids(self, text: str) -> list[int]:
        """Token ids of a text, without special tokens."""
        ids: list[int] = self.tokens(text, add_special_tokens=False)["input_ids"]
        return ids

    def parts(self, rows: list[Row]) -> list[tuple[Tensor, Tensor]]:
        """One batch in three parts of similar lengths, so that little of it is padding."""
        rows.sort(key=lambda row: len(row[0]))
        first, second = len(rows) // 2, len(rows) * 13 // 16
        return [self.padded(part) for part in (rows[:first], rows[first:second], rows[second:])]

    def padded(self, rows: list[Row]) -> tuple[Tensor, Tensor]:
        """Rows of one length, padded on the right with weightless tokens."""
        width = max(len(ids) for ids, _ in rows)
        pad = self.tokens.pad_token_id
        ids = [ids + [pad] * (width - len(ids)) for ids, _ in rows]
        weights = [weight + [0.0] * (width - len(weight)) for _, weight in rows]
        return torch.tensor(ids), torch.tensor(weights)
