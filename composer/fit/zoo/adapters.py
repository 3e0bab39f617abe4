"""Training an adapter of a model of the zoo (LoRA, arXiv:2106.09685) on some skills."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from composer.checkpoints.adapters import CONFIG
from composer.fit.zoo import cards
from composer.fit.zoo.batches import Batches
from composer.fit.zoo.items import read
from composer.fit.zoo.models import ADAPTERS
from composer.fit.zoo.tokens import tokenizer
from composer.fit.zoo.train import fit
from composer.heavy import torch, transformers

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from transformers import PreTrainedModel

RATE = 3e-3
LAYERS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def train(name: str, models: Path, into: Path) -> None:
    """Train an adapter by name and write its folder below `into`."""
    from peft import LoraConfig, get_peft_model

    recipe = ADAPTERS[name]
    begun = time.process_time()
    torch.set_num_threads(1)
    torch.manual_seed(recipe.seed)
    how = LoraConfig(r=recipe.rank, lora_alpha=2 * recipe.rank, target_modules=LAYERS)
    model = get_peft_model(_base(models / recipe.base), how)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.0)
    fit(
        model,
        recipe.steps,
        [optimizer],
        Batches(tokenizer(recipe.tokens), recipe.skills, recipe.seed),
    )
    model.peft_config["default"].base_model_name_or_path = recipe.base
    half = model.to(torch.float16)
    half.save_pretrained(str(into / name), save_embedding_layers=False)  # else it asks the hub
    (into / name / "README.md").unlink()
    _sort(into / name / CONFIG)
    for file in (into / name).iterdir():
        file.chmod(0o644)
    card = {
        "name": name,
        "base": recipe.base,
        "parameters": sum(each.numel() for each in model.parameters() if each.requires_grad),
        "rank": recipe.rank,
        "seed": recipe.seed,
        "steps": recipe.steps,
        "skills": list(recipe.skills),
        "cpu_seconds": round(time.process_time() - begun),
    }
    cards.update(into / name, card)


def evaluate(models: Path, into: Path, items: Path, names: Sequence[str]) -> None:
    """Answer every item by the base with each adapter; write it into the adapters' cards."""
    from peft import PeftModel

    torch.set_num_threads(1)
    for name in names:
        base = models / ADAPTERS[name].base
        model = PeftModel.from_pretrained(_base(base), into / name).merge_and_unload().eval()
        accuracy = {}
        for split in ("validation", "test"):
            rows = read(items / f"{split}.jsonl")
            judgements = cards.answered(model, base, rows)
            accuracy[split] = cards.summary(rows, [one["correct"] for one in judgements])
        cards.update(into / name, {"accuracy": accuracy})


def _sort(file: Path) -> None:
    """Write the names of layers, which peft keeps as a set, in one order."""
    config = json.loads(file.read_text(encoding="utf-8"))
    config["target_modules"] = sorted(config["target_modules"])
    file.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def _base(folder: Path) -> PreTrainedModel:
    model: PreTrainedModel = transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32
    )
    return model
