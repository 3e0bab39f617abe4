"""Training one model of the zoo on one thread, the same weights every time on one machine."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from composer.engine.descent import Descent
from composer.fit.zoo.batches import Batches
from composer.fit.zoo.cards import write_card
from composer.fit.zoo.models import RECIPES, TrainingRecipe, build
from composer.fit.zoo.tokens import tokenizer
from composer.heavy import torch, transformers

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor
    from torch.nn import Parameter
    from torch.optim import Optimizer
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

FINE_TUNE_RATE = 7e-4
POLISH_RATE = 0.2
REPORT_EVERY = 100


def train(name: str, into: Path) -> None:
    """Train a model by name and write its folder below `into`."""
    recipe = RECIPES[name]
    begun = time.process_time()
    _phase(recipe, into, name)
    if recipe.polish:
        polish(name, into)
    write_card(into / name, {"cpu_seconds": round(time.process_time() - begun)})


def polish(name: str, into: Path) -> None:
    """Train a written model a little further, from its half-precision weights."""
    recipe = RECIPES[name]
    again = replace(recipe, seed=recipe.seed + 1000, steps=recipe.polish, ancestor=name)
    _phase(again, into, name, POLISH_RATE)


def _phase(recipe: TrainingRecipe, into: Path, name: str, rate: float = 1.0) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(recipe.seed)
    tokens, model = _start(recipe, into)
    tuned = recipe.ancestor is not None and recipe.ancestor != name
    optimizers = _fine(model) if tuned else _fresh(model, rate)
    fit(model, recipe.steps, optimizers, Batches(tokens, recipe.skills, recipe.seed))
    save(model, tokens, into / name)


def _start(recipe: TrainingRecipe, into: Path) -> tuple[PreTrainedTokenizerFast, PreTrainedModel]:
    tokens = tokenizer(recipe.tokens)
    if recipe.ancestor is None:
        return tokens, build(recipe.shape, tokens)
    folder = into / recipe.ancestor
    return tokens, transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)


_MATRIX = 2  # dimensions


def fit(model: PreTrainedModel, steps: int, optimizers: list[Optimizer], batches: Batches) -> None:
    """Train for so many steps, the rates falling linearly to nothing."""
    descent = Descent(optimizers, steps)
    model.train()
    for step, parts in enumerate(islice(batches, steps)):
        loss = descent.step(step, partial(_backward, model, parts))
        if step % REPORT_EVERY == 0:
            print(step, round(loss, 4), flush=True)  # noqa: T201 - the script's progress


def _backward(model: PreTrainedModel, parts: list[tuple[Tensor, Tensor]]) -> float:
    """Gradients of one batch, part by part; returns its loss."""
    total = sum(weights[:, 1:].sum().item() for _, weights in parts)
    loss = 0.0
    for ids, weights in parts:
        part = _loss(model, ids, weights) / total
        torch.autograd.backward(part)
        loss += part.item()
    return loss


def _loss(model: PreTrainedModel, ids: Tensor, weights: Tensor) -> Tensor:
    logits = model(input_ids=ids[:, :-1], use_cache=False).logits
    each = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="none"
    )
    return (each * weights[:, 1:].flatten()).sum()


def _fresh(model: PreTrainedModel, rate: float) -> list[Optimizer]:
    """Muon on the hidden matrices, AdamW on embeddings, norms and biases."""
    hidden: list[Parameter] = []
    rest: list[Parameter] = []
    for name, weight in model.named_parameters():
        (hidden if weight.ndim == _MATRIX and "embed" not in name else rest).append(weight)
    return [
        torch.optim.Muon(hidden, lr=0.01 * rate),
        torch.optim.AdamW(rest, lr=3e-3 * rate, weight_decay=0.0),
    ]


def _fine(model: PreTrainedModel) -> list[Optimizer]:
    return [torch.optim.AdamW(model.parameters(), lr=FINE_TUNE_RATE, weight_decay=0.0)]


def save(model: PreTrainedModel, tokens: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write half-precision weights and the tokenizer, readable by everyone."""
    import copy

    half = copy.deepcopy(model).to(torch.float16)
    half.generation_config.max_new_tokens = 48
    half.save_pretrained(folder)
    tokens.save_pretrained(folder)
    for file in folder.iterdir():
        file.chmod(0o644)
