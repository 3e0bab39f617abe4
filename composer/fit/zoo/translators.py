"""Training an encoder-decoder model (T5, arXiv:1910.10683) that rewrites words on some skills."""

from __future__ import annotations

import time
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from composer.engine.descent import Descent
from composer.fit.zoo import cards
from composer.fit.zoo.decode import DecodedAnswer
from composer.fit.zoo.items import read
from composer.fit.zoo.models import TRANSLATORS
from composer.fit.zoo.skills import stream
from composer.fit.zoo.tokens import tokenizer
from composer.fit.zoo.train import save
from composer.heavy import torch, transformers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from torch import Tensor
    from torch.optim import Optimizer
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from composer.fit.zoo.items import Item
    from composer.fit.zoo.skills import Question

BATCH = 32
REPORT_EVERY = 50
LONGEST = 48
IGNORED = -100
"""The label of padding, which counts for nothing."""


def train(name: str, into: Path) -> None:
    """Train a model by name and write its folder below `into`."""
    recipe = TRANSLATORS[name]
    begun = time.process_time()
    torch.set_num_threads(1)
    torch.manual_seed(recipe.seed)
    tokens = tokenizer(recipe.tokens)
    model = _model(tokens)
    questions = stream(recipe.skills, f"train {recipe.seed}")
    batches = (list(islice(questions, BATCH)) for _ in range(recipe.steps))
    descent = Descent(_optimizers(model), recipe.steps)
    model.train()
    for step, batch in enumerate(batches):
        loss = descent.step(step, partial(_backward, model, _encoded(tokens, batch)))
        if step % REPORT_EVERY == 0:
            print(step, round(loss, 4), flush=True)  # noqa: T201 - the script's progress
    save(model, tokens, into / name)
    card = {
        "name": name,
        "architecture": "t5",
        "tokenizer": recipe.tokens,
        "parameters": sum(each.numel() for each in model.parameters()),
        "bytes": (into / name / "model.safetensors").stat().st_size,
        "seed": recipe.seed,
        "steps": recipe.steps,
        "skills": list(recipe.skills),
        "cpu_seconds": round(time.process_time() - begun),
    }
    cards.update(into / name, card)


def _backward(model: PreTrainedModel, batch: Mapping[str, Tensor]) -> float:
    loss = model(**batch).loss
    loss.backward()
    return float(loss.item())


def evaluate(into: Path, items: Path, names: Sequence[str]) -> None:
    """Answer the items of each model's skills greedily; write it into the models' cards."""
    torch.set_num_threads(1)
    for name in names:
        tokens = transformers.AutoTokenizer.from_pretrained(into / name)
        model = transformers.AutoModelForSeq2SeqLM.from_pretrained(
            into / name, dtype=torch.float32
        ).eval()
        accuracy = {}
        for split in ("validation", "test"):
            rows = read(items / f"{split}.jsonl")
            own = [row for row in rows if row["tags"][0] in TRANSLATORS[name].skills]
            said = [cards.judged(each, row) for each, row in _answered(model, tokens, own)]
            accuracy[split] = cards.summary(own, [one["correct"] for one in said])
        cards.update(into / name, {"accuracy": accuracy})


def _model(tokens: PreTrainedTokenizerFast) -> PreTrainedModel:
    config = transformers.T5Config(
        vocab_size=len(tokens),
        d_model=64,
        d_kv=16,
        d_ff=128,
        num_layers=2,
        num_heads=4,
        feed_forward_proj="gated-gelu",
        dropout_rate=0.0,
        tie_word_embeddings=True,
        decoder_start_token_id=tokens.pad_token_id,
        eos_token_id=tokens.eos_token_id,
        pad_token_id=tokens.pad_token_id,
    )
    return transformers.T5ForConditionalGeneration(config)


def _optimizers(model: PreTrainedModel) -> list[Optimizer]:
    """Muon on the hidden matrices, AdamW on embeddings, norms and positions."""
    beside = ("shared", "embed", "relative", "norm", "lm_head")
    named = dict(model.named_parameters())
    rest = [each for name, each in named.items() if any(word in name for word in beside)]
    hidden = [each for name, each in named.items() if not any(word in name for word in beside)]
    return [
        torch.optim.Muon(hidden, lr=0.01, weight_decay=0.0),
        torch.optim.AdamW(rest, lr=3e-3, weight_decay=0.0),
    ]


def _encoded(tokens: PreTrainedTokenizerFast, batch: Sequence[Question]) -> dict[str, Tensor]:
    """Return questions as the encoder reads them, and the answers to be written."""
    read = tokens([one.query for one in batch], padding=True, return_tensors="pt")
    ends = [[*tokens(f" {one.answer}")["input_ids"], tokens.eos_token_id] for one in batch]
    longest = max(map(len, ends))
    labels = torch.tensor([ids + [IGNORED] * (longest - len(ids)) for ids in ends])
    return {
        "input_ids": read["input_ids"],
        "attention_mask": read["attention_mask"],
        "labels": labels,
    }


def _answered(
    model: PreTrainedModel, tokens: PreTrainedTokenizerFast, rows: Sequence[Item]
) -> list[tuple[DecodedAnswer, Item]]:
    answers = []
    for start in range(0, len(rows), BATCH):
        batch = rows[start : start + BATCH]
        read = tokens([row["query"] for row in batch], padding=True, return_tensors="pt")
        with torch.inference_mode():
            made = model.generate(
                input_ids=read["input_ids"],
                attention_mask=read["attention_mask"],
                max_new_tokens=LONGEST,
                do_sample=False,
            )
        texts = tokens.batch_decode(made, skip_special_tokens=True)
        answers += [DecodedAnswer(text, 0.0, 0, 0) for text in texts]
    return list(zip(answers, rows, strict=True))
