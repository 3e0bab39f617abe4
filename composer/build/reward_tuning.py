"""`tune_reward`: a language model with new heads is trained on pairs of answers."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from composer.backends.reward_model import RewardModel
from composer.backends.reward_network import RewardNetwork
from composer.build.training import train
from composer.data.preferences import preferences
from composer.diagnostics import Mistakes
from composer.diagnostics.errors import CodedError
from composer.engine.preferences import preference_loss, weights_of
from composer.heavy import transformers
from composer.methods.distillation.adamw import AdamW
from composer.quiet import quiet
from composer.specs.content import RELEVANT
from composer.values import ModelError, Query

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from torch import Tensor, nn

    from composer.engine.weights.donors import Donor
    from composer.specs.tuned_rewards import TunedReward

__all__ = ["tune_reward"]


@dataclass(frozen=True)
class PairSet:
    """Pairs of answers as tokens [pair][chosen, rejected], and how often each head has each."""

    rows: Sequence[Sequence[list[int]]]
    weights: Tensor
    diversity: float

    def __len__(self) -> int:
        return len(self.rows)

    def losses(self, module: nn.Module, documents: Sequence[int], part: float | None) -> Tensor:
        """Return the losses of pairs, of all heads; of pairs held out each head has all."""
        del part
        net: Any = module
        rewards = _rewards(net, [row for at in documents for row in self.rows[at]])
        losses = preference_loss(rewards[::2], rewards[1::2])
        if not module.training:
            return losses.flatten()
        losses = (losses * self.weights[:, list(documents)].T.to(losses)).flatten()
        if not self.diversity:
            return losses
        norm: Tensor = torch.linalg.matrix_norm(net.score.weight, ord="nuc")
        return losses - self.diversity * norm


def tune_reward(
    model: TunedReward,
    donors: Sequence[Donor],
    folder: Path,
    work: Path,
    tell: Callable[[str], None],
) -> None:
    """Train a reward model, and write its checkpoint into an empty folder.

    Raises Mistakes (E50x) for a file of pairs that cannot be used, ModelError for a base that
    cannot be read, or pairs that are too long for it.
    """
    how = model.training
    assert isinstance(how, AdamW)
    base = _plain(model, donors[0])
    try:
        data = preferences(model.pairs)
    except CodedError as error:
        raise Mistakes([error.diagnostic()]) from None
    start = work / "start"
    with quiet():
        _write_start(base, start, model.heads, how.seed)
        declared = model.client.at(start)
        assert isinstance(declared, RewardModel)
        network = RewardNetwork(declared, model.name)
        rows = [[r.ids for r in network.readings(Query.of(q), pair)] for q, *pair in data]
        weights = weights_of(len(rows), model.heads, how.seed, bootstrap=model.bootstrap)
        module = network.module.float().requires_grad_()
        train(module, PairSet(rows, weights, model.diversity), how, work / "training", tell)
        _save(module, base, folder)


def _plain(model: TunedReward, donor: Donor) -> Path:
    if donor.adapter is None:
        return donor.folder
    name = model.labels[0]
    help_ = f"train the merged model: `tune_reward(merge({name}), ...)`"
    raise ModelError("E505", f"`{name}` has an adapter, beside which no head is trained", help_)


def _write_start(base: Path, folder: Path, heads: int, seed: int) -> None:
    """Write a model with new heads, the same ones each time."""
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        module = transformers.AutoModelForSequenceClassification.from_pretrained(
            base, num_labels=heads, dtype=torch.float32, local_files_only=True
        )
    folder.mkdir(parents=True, exist_ok=True)
    _save(module, base, folder)


def _save(module: nn.Module, base: Path, folder: Path) -> None:
    """Write a model with the files of its base that are no weights."""
    net: Any = module
    net.save_pretrained(folder)
    for file in {file for kind in RELEVANT for file in base.glob(kind)}:
        copy = folder / file.relative_to(base)
        if ".safetensors" not in file.name and not copy.exists():
            copy.parent.mkdir(exist_ok=True)
            shutil.copyfile(file, copy)


def _rewards(module: Any, rows: Sequence[Sequence[int]]) -> Tensor:  # noqa: ANN401 - a classifier
    """Return the rewards [row, head] at the last token of each row."""
    width, device = max(map(len, rows)), module.score.weight.device
    ids = torch.tensor([[*row, *[0] * (width - len(row))] for row in rows], device=device)
    ends = torch.tensor([len(row) - 1 for row in rows], device=device)
    mask = (torch.arange(width, device=device) <= ends[:, None]).long()
    out = module.base_model(input_ids=ids, attention_mask=mask, use_cache=False)
    last = out.last_hidden_state[torch.arange(len(rows), device=device), ends]
    rewards: Tensor = module.score(last)
    return rewards
