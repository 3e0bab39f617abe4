"""Training several adapters of a reward model of the zoo side by side: an ensemble on one base."""

from __future__ import annotations

import json
import time
from itertools import islice
from typing import TYPE_CHECKING

from composer.backends.step_likelihood import Likelihoods
from composer.checkpoints.adapters import adapter_files
from composer.fit.zoo import cards
from composer.fit.zoo.models import REWARD_ADAPTERS
from composer.fit.zoo.rewards import UNLABELLED, Rows
from composer.heavy import torch, transformers

if TYPE_CHECKING:
    from pathlib import Path

    from composer.engine.preferences import SideBySide
    from composer.fit.zoo.models import RewardAdaptersRecipe

__all__ = ["train"]

RATE, BATCH, REPORT_EVERY = 2e-3, 8, 5


def train(name: str, rewards: Path) -> None:
    """Train adapters by name, and write them beside their base, as `NAME-1` and so on.

    Each member learns from chains of its own, by the labels of their steps; the nuclear norm of the
    members' matrices keeps them apart (arXiv:2401.00243).
    """
    from safetensors.torch import save_file

    recipe, begun = REWARD_ADAPTERS[name], time.process_time()
    torch.set_num_threads(1)
    torch.manual_seed(recipe.seed)
    members = _trained(rewards / recipe.base, recipe)
    for at, (tensors, config) in enumerate(members.adapters(), 1):
        folder = rewards / f"{name}-{at}"
        folder.mkdir(parents=True, exist_ok=True)
        half = {key: each.half() for key, each in tensors.items()}
        save_file(half, folder / "adapter_model.safetensors", {"format": "pt"})
        text = json.dumps(config | {"base_model_name_or_path": recipe.base}, indent=2) + "\n"
        (folder / "adapter_config.json").write_text(text, encoding="utf-8")
        card = {
            "name": folder.name,
            "architecture": "adapter",
            "base": recipe.base,
            "parameters": adapter_files(folder).parameters,
            "rank": recipe.rank,
            "seed": recipe.seed,
            "steps": recipe.steps,
            "diversity": recipe.diversity,
            "cpu_seconds": round(time.process_time() - begun),
        }
        cards.update(folder, card)


def _trained(base: Path, recipe: RewardAdaptersRecipe) -> SideBySide:
    """Return adapters that were trained by so many steps, at a rate that falls to nothing."""
    from composer.engine.preferences import SideBySide  # it imports torch

    model = Likelihoods().from_pretrained(str(base), dtype=torch.float32)
    members = SideBySide(model, recipe.members, recipe.rank, recipe.seed)
    rows = Rows(transformers.AutoTokenizer.from_pretrained(base), recipe.seed)
    drawn = (rows.drawn() for _ in range(recipe.steps * recipe.members * BATCH))
    optimizer = torch.optim.AdamW(members.parameters(), lr=RATE, weight_decay=0.0)
    fall = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / recipe.steps)
    for step in range(recipe.steps):
        ids, labels = rows.padded(list(islice(drawn, recipe.members * BATCH)))
        logits = model(ids).logits.flatten(0, 1)
        loss = torch.nn.functional.cross_entropy(logits, labels.flatten(), ignore_index=UNLABELLED)
        torch.autograd.backward(loss - recipe.diversity * members.diversity())
        torch.nn.utils.clip_grad_norm_(members.parameters(), 1.0)
        optimizer.step()
        fall.step()
        optimizer.zero_grad()
        if step % REPORT_EVERY == 0:
            print(step, round(loss.item(), 4), flush=True)  # noqa: T201 - the script's progress
    return members
