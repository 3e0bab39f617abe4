"""Training reward models of answers: adapters of one model of the zoo, on pairs of answers."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.checkpoints.adapters import adapter_files
from composer.engine.preferences import AdapterMembers, padded, preference_loss, weights_of
from composer.fit.zoo import cards
from composer.fit.zoo.models import ANSWER_REWARDS
from composer.fit.zoo.pairs import pairs
from composer.fit.zoo.tokens import prompt
from composer.heavy import torch, transformers

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

    from composer.fit.zoo.models import AnswerRewardRecipe

    Pairs = Sequence[dict[str, str]]

__all__ = ["Members", "save", "taught", "train"]

RATE, BATCH, REPORT_EVERY = 5e-3, 16, 25
HELD_OUT = 1500
"""Questions of the test split for whose pairs the accuracy is measured."""


@dataclass(frozen=True)
class Members:
    """Reward models in memory, with the tokenizer of their base."""

    adapters: AdapterMembers
    tokens: PreTrainedTokenizerBase

    def rewards(self, rows: Sequence[tuple[str, str]]) -> Tensor:
        """Return the rewards [member, row] of questions with their answers."""
        ids = [self.ids(*row) for row in rows]
        batches = [ids[at : at + 256] for at in range(0, len(ids), 256)]
        with torch.inference_mode():
            return torch.cat([self.adapters(*padded(each, 0)) for each in batches], 1)

    def ids(self, query: str, answer: str) -> list[int]:
        """Write a question with its answer, closed as the chat template does it."""
        text = f"{prompt(query)} {answer}{self.tokens.eos_token}\n"
        ids: list[int] = self.tokens(text, add_special_tokens=False)["input_ids"]
        return ids

    def right(self, data: Pairs) -> Tensor:
        """Whether each member gives the chosen answer more [member, pair]."""
        rows = [(each["query"], each[which]) for each in data for which in ("chosen", "rejected")]
        rewards = self.rewards(rows)
        return rewards[:, ::2] > rewards[:, 1::2]


def taught(
    base: Path, data: Pairs, recipe: AnswerRewardRecipe, *, bootstrap: bool = True
) -> Members:
    """Train reward models side by side on pairs."""
    torch.manual_seed(recipe.seed)
    model = transformers.AutoModel.from_pretrained(base, dtype=torch.float32)
    adapters = AdapterMembers(model, recipe.members, recipe.rank, recipe.seed)
    members = Members(adapters, transformers.AutoTokenizer.from_pretrained(base))
    written = [
        [members.ids(each["query"], each[which]) for which in ("chosen", "rejected")]
        for each in data
    ]
    weights = weights_of(len(data), recipe.members, recipe.seed, bootstrap=bootstrap)
    optimizer = torch.optim.AdamW(adapters.parameters(), lr=RATE, weight_decay=0.0)
    fall = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / recipe.steps)
    for step in range(recipe.steps):
        chosen = torch.randint(len(data), (BATCH,))
        rewards = adapters(*padded([row for at in chosen for row in written[at]], 0))
        losses = weights[:, chosen] * preference_loss(rewards[:, ::2], rewards[:, 1::2])
        loss = losses.mean()
        if recipe.diversity:
            loss = loss - recipe.diversity * adapters.diversity()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(adapters.parameters(), 1.0)
        optimizer.step()
        fall.step()
        optimizer.zero_grad()
        if step % REPORT_EVERY == 0:
            print(step, round(losses.mean().item(), 4), flush=True)  # noqa: T201 - the progress
    return members


def save(members: Members, base: str, into: Path, name: str) -> list[Path]:
    """Write each member as an adapter of its own, `NAME-1` and so on."""
    from safetensors.torch import save_file

    folders = []
    for at, (tensors, config) in enumerate(members.adapters.adapters("model"), 1):
        folder = into / f"{name}-{at}"
        folder.mkdir(parents=True, exist_ok=True)
        half = {key: each.half() for key, each in tensors.items()}
        save_file(half, folder / "adapter_model.safetensors", {"format": "pt"})
        text = json.dumps({**config, "base_model_name_or_path": base}, indent=2) + "\n"
        (folder / "adapter_config.json").write_text(text, encoding="utf-8")
        folders.append(folder)
    return folders


def train(name: str, models: Path, into: Path) -> None:
    """Train reward models by name, and write their folders below `into`, with their cards."""
    recipe, begun = ANSWER_REWARDS[name], time.process_time()
    torch.set_num_threads(1)
    writers = [models / each for each in recipe.writers]
    data = list(pairs(writers, recipe.questions, recipe.seed))
    members = taught(models / recipe.base, data, recipe)
    held = list(pairs(writers, HELD_OUT, recipe.seed + 1, "test"))
    right = members.right(held).float().mean(1).tolist()
    for folder, share in zip(save(members, recipe.base, into, name), right, strict=True):
        card = {
            "name": folder.name,
            "architecture": "adapter",
            "parameters": adapter_files(folder).parameters,
            "base": recipe.base,
            "rank": recipe.rank,
            "seed": recipe.seed,
            "steps": recipe.steps,
            "pairs": len(data),
            "accuracy": {"test_pairs": len(held), "right": round(100 * share, 1)},
            "cpu_seconds": round(time.process_time() - begun),
        }
        cards.update(folder, card)
