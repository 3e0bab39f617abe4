"""Greedy answers of one model, or of several whose probabilities are averaged token by token."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from composer.engine.rows.forward_arguments import cache_name
from composer.fit.zoo.tokens import prompt
from composer.heavy import torch, transformers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

LONGEST = 48
BATCH = 128


class DecodedAnswer(NamedTuple):
    """A decoded answer; log-probability and tokens both count the end-of-sequence token."""

    text: str
    logprob: float
    prompt_tokens: int
    completion_tokens: int


def answers(
    models: Sequence[PreTrainedModel], tokens: PreTrainedTokenizerBase, queries: Sequence[str]
) -> list[DecodedAnswer]:
    """Greedy answers to queries, in their order; the models share `tokens`."""
    prompts = [tokens(prompt(query), add_special_tokens=False)["input_ids"] for query in queries]
    decoded: dict[int, DecodedAnswer] = {}
    with torch.inference_mode():
        for batch in _equal_lengths(prompts):
            ids = torch.tensor([prompts[at] for at in batch])
            decoded.update(zip(batch, _decode(models, tokens, ids), strict=True))
    return [decoded[at] for at in range(len(queries))]


def _equal_lengths(prompts: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    """Indices of prompts of one length at a time, so that nothing is padded."""
    groups: dict[int, list[int]] = defaultdict(list)
    for at, ids in enumerate(prompts):
        groups[len(ids)].append(at)
    for group in groups.values():
        yield from (group[start : start + BATCH] for start in range(0, len(group), BATCH))


def _decode(
    models: Sequence[PreTrainedModel], tokens: PreTrainedTokenizerBase, ids: Tensor
) -> list[DecodedAnswer]:
    members = [_Member(model) for model in models]
    prompt_tokens = ids.shape[1]
    chosen: list[Tensor] = []
    scores: list[Tensor] = []
    done = torch.zeros(len(ids), dtype=torch.bool)
    while len(chosen) < LONGEST and not done.all():
        mean = torch.stack([member.step(ids) for member in members]).mean(0)
        best, ids = mean.max(-1, keepdim=True)
        chosen.append(ids.masked_fill(done[:, None], tokens.eos_token_id))
        scores.append(best.log().masked_fill(done[:, None], 0.0))
        done = done | (ids[:, 0] == tokens.eos_token_id)
    return _texts(tokens, torch.cat(chosen, 1), torch.cat(scores, 1).sum(1), prompt_tokens)


class _Member:
    """A model with its cache: new token ids in, next-token probabilities out."""

    def __init__(self, model: PreTrainedModel) -> None:
        self.model, self.cache = model, transformers.DynamicCache(config=model.config)
        self.name = cache_name(model)

    def step(self, ids: Tensor) -> Tensor:
        assert self.name is not None
        out = self.model(input_ids=ids, use_cache=True, **{self.name: self.cache})
        probabilities: Tensor = out.logits[:, -1].softmax(-1)
        return probabilities


def _texts(
    tokens: PreTrainedTokenizerBase, rows: Tensor, logprobs: Tensor, prompt_tokens: int
) -> list[DecodedAnswer]:
    decoded = []
    for row, logprob in zip(rows.tolist(), logprobs.tolist(), strict=True):
        end = row.index(tokens.eos_token_id) if tokens.eos_token_id in row else len(row)
        text = str(tokens.decode(row[:end])).strip()
        written = min(end + 1, len(row))
        decoded.append(DecodedAnswer(text, round(logprob, 4), prompt_tokens, written))
    return decoded
