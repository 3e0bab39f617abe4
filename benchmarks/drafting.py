"""How much faster drafts write what a fuse of two equal models writes: CPU time, greedy.

The second model is the first one with noise on its output weights, scaled until the two find the
same token likeliest on a given share of what they write together.
"""

from __future__ import annotations

import copy
import math
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from composer.fusion.engine import Engine
from composer.fusion.spec import Job, Part, Sampling, Solo, TokenFuse
from composer.models.local import LocalModel

sys.path.insert(0, str(Path(__file__).parent))
from synthetic import checkpoint, llama, prompt

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from composer.models.checkpoint import Checkpoint

__all__ = ["agreement", "gains", "noisy"]

ROWS, NEW, BLOCKS = 4, 128, 9
SIZE = 32_000
SHARES = (0.7, 0.9)
NAMES = ("a", "b")


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


def fused(draft: Part | None = None) -> TokenFuse:
    """Average the two models."""
    return TokenFuse(tuple(Solo(checkpoint(name)) for name in NAMES), NAMES, draft=draft)


def drafted(tokens: int) -> Part:
    """Name the draft of so many tokens."""
    where = "composer.fusion.sessions.speculate:speculative"
    return Part(where, (("tokens", tokens),))


def wrote(engine: Engine, member: TokenFuse, seed: int = 0) -> tuple[list[str], float]:
    """Answer a batch; the texts, and CPU seconds."""
    how = Sampling(max_tokens=NEW)
    jobs = [Job(member, ((("user", prompt(seed + row)),),), how) for row in range(ROWS)]
    start = time.process_time()
    made = [future.result() for future in [engine.generate(job) for job in jobs]]
    return [each.text for each in made], time.process_time() - start


@torch.inference_mode()
def agreement(models: Sequence[LocalModel], texts: Sequence[str]) -> float:
    """On what share of a fuse's tokens the first model's likeliest is the fuse's."""
    same = total = 0
    for row, text in enumerate(texts):
        start = len(models[0].render((("user", prompt(row)),)))
        ids = models[0].vocabulary.encode(prompt(row) + text)
        said = [m.module(torch.tensor([ids])).logits[0, start - 1 : -1].softmax(-1) for m in models]
        own, both = said[0].argmax(-1), sum(said).argmax(-1)  # type: ignore[union-attr]
        same += int((own == both).sum())
        total += len(own)
    return same / total


def pair(share: float) -> tuple[dict[str, LocalModel], float]:
    """Two models of which the first agrees with the fuse on a share of tokens, and the share."""
    first = llama("a", SIZE)
    low, high, found = 0.0, 1.0, (first, 1.0)
    for _ in range(9):
        level = (low + high) / 2
        second = noisy(first, level)
        with Engine(loader=_loader({"a": first, "b": second})) as engine:
            texts, _ = wrote(engine, fused())
        reached = agreement((first, second), texts)
        if abs(reached - share) < abs(found[1] - share):
            found = second, reached
        low, high = (level, high) if reached > share else (low, level)
    return {"a": first, "b": found[0]}, found[1]


def _loader(models: Mapping[str, LocalModel]):  # noqa: ANN202
    def load(point: Checkpoint, device: str) -> LocalModel:
        del device
        return models[point.name]

    return load


def gains(share: float, tokens: Sequence[int] = (1, 2, 3)) -> tuple[float, dict[int, list[float]]]:
    """The share reached, and for each length of draft how many times faster it was, a block each."""
    models, reached = pair(share)
    found: dict[int, list[float]] = {n: [] for n in tokens}
    with Engine(loader=_loader(models)) as engine:
        for _ in range(BLOCKS):
            expected, plain = wrote(engine, fused())
            for n in tokens:
                texts, seconds = wrote(engine, fused(drafted(n)))
                assert texts == expected, "a greedy draft writes what the fuse writes"
                found[n].append(plain / seconds)
    return reached, found


def main() -> None:
    """Print a line for each share and length of draft."""
    torch.set_num_threads(1)
    for share in SHARES:
        reached, found = gains(share)
        for n, ratios in found.items():
            low, middle, high = statistics.quantiles(ratios, n=4)
            print(f"{reached:.2f} agreed, {n} drafted: {middle:.2f} [{low:.2f}, {high:.2f}]")


if __name__ == "__main__":
    main()
