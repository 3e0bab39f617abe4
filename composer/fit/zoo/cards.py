"""Cards: how each model was made and how often it is right, skill by skill."""

from __future__ import annotations

import json
from collections import defaultdict
from math import prod
from statistics import fmean
from typing import TYPE_CHECKING

from composer.fit.zoo.decode import DecodedAnswer, answers
from composer.fit.zoo.items import Item, Recorded, read, write
from composer.fit.zoo.models import RECIPES, REWARDS
from composer.fit.zoo.skills import correct
from composer.heavy import torch, transformers

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from transformers import PreTrainedModel


def evaluate(models: Path, items: Path, names: Sequence[str]) -> None:
    """Answer every item with some models; write their cards and the validation file's records."""
    splits = {split: read(items / f"{split}.jsonl") for split in ("validation", "test")}
    for name in names:
        accuracy: dict[str, object] = {}
        for split, rows in splits.items():
            judgements = record(models / name, rows)
            accuracy[split] = summary(rows, [one["correct"] for one in judgements])
            if split == "validation":
                for row, one in zip(rows, judgements, strict=True):
                    row["recorded"] = row.get("recorded", {}) | {name: one}
        write_card(models / name, {"accuracy": accuracy})
    write(splits["validation"], items / "validation.jsonl")


def record(folder: Path, rows: Sequence[Item]) -> list[Recorded]:
    """A model's answers, each with whether it is right."""
    torch.set_num_threads(1)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    return answered(model, folder, rows)


def answered(model: PreTrainedModel, folder: Path, rows: Sequence[Item]) -> list[Recorded]:
    """The answers of a model in memory, by the tokenizer of a folder."""
    tokens = transformers.AutoTokenizer.from_pretrained(folder)
    decoded = answers([model], tokens, [row["query"] for row in rows])
    return [judged(one, row) for one, row in zip(decoded, rows, strict=True)]


def judged(answer: DecodedAnswer, item: Item) -> Recorded:
    """An answer as it is recorded in the items."""
    text, logprob, prompt_tokens, completion_tokens = answer
    return {
        "text": text,
        "correct": correct(text, item["reference"]),
        "logprob": logprob,
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
    }


def summary(rows: Sequence[Item], right: Sequence[bool]) -> dict[str, object]:
    """Percentages right: over items (micro), over skills (macro), and of each skill."""
    by_skill: dict[str, list[bool]] = defaultdict(list)
    for row, one in zip(rows, right, strict=True):
        by_skill[row["tags"][0]].append(one)
    skills = {skill: _percent(results) for skill, results in by_skill.items()}
    return {"micro": _percent(right), "macro": round(fmean(skills.values()), 1), "skills": skills}


def _percent(right: Sequence[bool]) -> float:
    return round(100 * fmean(right), 1)


def write_card(folder: Path, changes: dict[str, object]) -> None:
    """Update a model's card with what is known of it now."""
    update(folder, described(folder) | changes)


def update(folder: Path, changes: dict[str, object]) -> None:
    """Update a card with some entries."""
    path = folder / "card.json"
    card_before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    card = card_before | changes
    path.write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")


def described(folder: Path) -> dict[str, object]:
    """What the recipe and the files say of a model."""
    from safetensors import safe_open

    recipe, weights = (RECIPES | REWARDS)[folder.name], folder / "model.safetensors"
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    with safe_open(weights, "np") as file:
        sizes = [file.get_slice(key).get_shape() for key in file.keys()]  # noqa: SIM118
    return {
        "name": folder.name,
        "architecture": config["model_type"],
        "tokenizer": recipe.tokens,
        "ancestor": recipe.ancestor,
        "parameters": sum(prod(size) for size in sizes),
        "bytes": weights.stat().st_size,
        "seed": recipe.seed,
        "steps": recipe.steps + recipe.polish,
        "skills": list(recipe.skills),
    }


def table(models: Path, names: Sequence[str]) -> str:
    """The accuracies of several models as a Markdown table."""
    lines = [
        "| model | architecture | tokenizer | parameters | validation | test | test, macro |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in names:
        card = json.loads((models / name / "card.json").read_text(encoding="utf-8"))
        cells = [name, card["architecture"], card["tokenizer"], f"{card['parameters']:,}"]
        rates = card["accuracy"]
        cells += [rates["validation"]["micro"], rates["test"]["micro"], rates["test"]["macro"]]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)
