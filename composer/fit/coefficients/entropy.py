"""How unsure a model is of its own greedy answers: the entropy of what may come next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.heavy import torch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from composer.engine.weights.local import LocalModel
    from composer.evaluate import EvaluationRow

__all__ = ["lower_entropy"]


def lower_entropy(
    model: LocalModel, weights: Mapping[str, Tensor], rows: Sequence[EvaluationRow], tokens: int
) -> float:
    """Return the mean entropy of a model's answers; their gradients are in `weights` afterwards.

    Of each answer the first `tokens` tokens count, the end as one of them; each question counts
    alike. Texts are padded on the right, where a causal model does not look.
    """
    prompts = [model.render(row.question().messages) for row in rows]
    with torch.no_grad():
        answers = _greedy(model, prompts, tokens)
    for weight in weights.values():
        weight.requires_grad, weight.grad = weight.is_floating_point(), None
    try:
        with torch.enable_grad():
            texts = [[*p, *a[:-1]] for p, a in zip(prompts, answers, strict=True)]
            logits = _logits(model, texts)
            entropies = [
                _entropy(logits[row, len(prompt) - 1 : len(prompt) - 1 + len(answer)])
                for row, (prompt, answer) in enumerate(zip(prompts, answers, strict=True))
            ]
            mean = torch.stack(entropies).mean()
            mean.backward()  # type: ignore[no-untyped-call]
    finally:
        for weight in weights.values():
            weight.requires_grad = False
    return mean.item()


def _greedy(model: LocalModel, prompts: Sequence[Sequence[int]], tokens: int) -> list[list[int]]:
    """Return the likeliest tokens after each prompt, up to an end or so many."""
    answers: list[list[int]] = [[] for _ in prompts]
    for _ in range(tokens):
        going = [n for n, each in enumerate(answers) if not each or each[-1] not in model.ends]
        if not going:
            break
        texts = [[*prompts[n], *answers[n]] for n in going]
        logits = _logits(model, texts)
        for place, n in enumerate(going):
            answers[n].append(int(logits[place, len(texts[place]) - 1].argmax()))
    return answers


def _logits(model: LocalModel, texts: Sequence[Sequence[int]]) -> Tensor:
    """Return the logits [text, place, token] of texts of unlike lengths."""
    longest = max(map(len, texts))
    ids = [[*text, *[0] * (longest - len(text))] for text in texts]
    logits: Tensor = model.module(torch.tensor(ids, device=model.device)).logits
    return logits[..., : model.width].float()


def _entropy(logits: Tensor) -> Tensor:
    """Return the mean entropy in nats of distributions [place, token]."""
    logprobs = logits.log_softmax(-1)
    return -(logprobs.exp() * logprobs).sum(-1).mean()
