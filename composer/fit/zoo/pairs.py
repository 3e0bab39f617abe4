"""Pairs of answers to questions of the zoo, one right and one wrong, for reward models."""

from __future__ import annotations

from collections import defaultdict
from itertools import islice
from random import Random
from typing import TYPE_CHECKING

from composer.fit.zoo.skills import SKILLS, correct, reference, stream
from composer.fit.zoo.tokens import prompt
from composer.heavy import torch, transformers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from composer.fit.zoo.skills import Question, Split

__all__ = ["drawn", "pairs"]

LONGEST, BATCH = 24, 512


def drawn(
    folder: Path, queries: Sequence[str], count: int, seed: int, temperature: float = 1.0
) -> list[list[str]]:
    """Draw so many answers of a model to each question."""
    torch.manual_seed(seed)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    tokens = transformers.AutoTokenizer.from_pretrained(folder)
    rows = [tokens(prompt(query), add_special_tokens=False)["input_ids"] for query in queries]
    by_length = defaultdict[int, list[int]](list)
    for at, ids in enumerate(rows):
        by_length[len(ids)].append(at)
    answers: list[list[str]] = [[] for _ in queries]
    for group in by_length.values():
        size = max(1, BATCH // count)
        for batch in (group[start : start + size] for start in range(0, len(group), size)):
            ids = torch.tensor([rows[at] for at in batch])
            written = model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                do_sample=True,
                temperature=temperature,
                top_k=0,
                max_new_tokens=LONGEST,
                num_return_sequences=count,
                pad_token_id=tokens.pad_token_id,
            )
            texts = tokens.batch_decode(written[:, ids.shape[1] :], skip_special_tokens=True)
            for at, text in enumerate(texts):
                answers[batch[at // count]].append(text.strip())
    return answers


def pairs(
    models: Sequence[Path], count: int, seed: int, where: Split = "train", draws: int = 4
) -> Iterator[dict[str, str]]:
    """Yield pairs for questions of all skills: the right answer, and a wrong one that a model drew.

    Questions to which no draw was wrong have none, and neither have those whose answer has several
    lines, which are for reward models of steps.
    """
    drawing = stream(tuple(SKILLS), f"pairs {seed}", where)
    questions = [each for each in islice(drawing, count) if "\n" not in each.answer]
    rng = Random(seed)
    texts = [drawn(each, [q.query for q in questions], draws, seed) for each in models]
    for at, question in enumerate(questions):
        answers = [text for rows in texts for text in rows[at]]
        wrong = sorted({text for text in answers if text and not _right(text, question)})
        if wrong:
            rejected = rng.choice(wrong)
            yield {"query": question.query, "chosen": question.answer, "rejected": rejected}


def _right(text: str, question: Question) -> bool:
    return correct(text, reference(question))
