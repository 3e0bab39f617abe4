"""Two models of one size that agree with their fuse on a share of tokens: what drafts gain on.

The second is the first with a part of its output weights replaced by noise.
"""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING

import torch
from synthetic import checkpoint, llama, prompt

from composer.engine.engine import Engine
from composer.engine.weights.local import LocalModel
from composer.methods import Mean, Union
from composer.methods.draft.speculative import Speculative
from composer.specs import TokenFuse
from composer.values import Generate, Query, Sampling

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from composer.methods import Draft

__all__ = ["agreeing", "drafted", "fused"]

ROWS, TOKENS, STEPS = 4, 64, 6
"""Of the search for a level of noise: rows and new tokens of a try, and tries."""


def agreeing(size: int, share: float) -> tuple[dict[str, LocalModel], float]:
    """Find two models that agree with their fuse on about a share of tokens, and which it is."""
    first = llama(f"draft{size}", size)
    low, high = 0.0, 1.0
    found: tuple[LocalModel, float] = first, 1.0
    for _ in range(STEPS):
        level = (low + high) / 2
        second = noisy(first, level)
        models = dict(zip(names(share), (first, second), strict=True))
        reached = agreement((first, second), _written(models, fused(share)))
        if abs(reached - share) < abs(found[1] - share):
            found = second, reached
        low, high = (level, high) if reached > share else (low, level)
    return dict(zip(names(share), (first, found[0]), strict=True)), found[1]


def names(share: float) -> tuple[str, str]:
    """What engines know the two models by."""
    return f"a-{share}", f"b-{share}"


def fused(share: float, draft: Draft | None = None) -> TokenFuse:
    """Average the two models."""
    members = tuple(checkpoint(name) for name in names(share))
    return TokenFuse(members, ("a", "b"), combine=Mean(), align=Union(), draft=draft)


def drafted(tokens: int) -> Speculative:
    """Name the draft of so many tokens."""
    return Speculative(tokens=tokens)


def noisy(model: LocalModel, level: float) -> LocalModel:
    """Copy a model, a part of its output weights replaced by noise: 0 none, 1 all of their spread.

    Their spread stays, so that neither of the two is surer than the other.
    """
    module = copy.deepcopy(model.module)
    weight = module.lm_head.weight
    dice = torch.Generator().manual_seed(0)
    said = weight.abs().sum(1, keepdim=True) > 0
    noise = torch.randn(weight.shape, generator=dice) * weight[said[:, 0]].std() * said
    weight.mul_(math.sqrt(1 - level**2)).add_(noise * level)
    return LocalModel(module, model.tokenizer, model.device, f"{model.name} with noise")


@torch.inference_mode()
def agreement(models: Sequence[LocalModel], texts: Sequence[str]) -> float:
    """On what share of a fuse's tokens a model's own likeliest is the fuse's, the models' mean."""
    same = total = 0
    for row, text in enumerate(texts):
        start = len(models[0].render((("user", prompt(row)),)))
        ids = torch.tensor([models[0].vocabulary.encode(prompt(row) + text)])
        said = [m.module(ids).logits[0, start - 1 : -1].softmax(-1) for m in models]
        both = torch.stack(said).sum(0).argmax(-1)
        same += sum(int((own.argmax(-1) == both).sum()) for own in said)
        total += len(both) * len(models)
    return same / total


def _written(models: Mapping[str, LocalModel], member: TokenFuse) -> list[str]:
    how = Sampling(max_tokens=TOKENS)
    jobs = [Generate(member, Query.of(prompt(row)), how) for row in range(ROWS)]
    with Engine(loader=lambda which, _: models[which.name]) as engine:
        return [future.result().text for future in [engine.generate(job) for job in jobs]]
