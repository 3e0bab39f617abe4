"""Training a process-reward model of the zoo: it says whether each step of an answer is right."""

from __future__ import annotations

import time
from itertools import islice
from random import Random
from typing import TYPE_CHECKING, Any, TypeAlias

from composer.backends.step_likelihood import Likelihoods, step_likelihood
from composer.fit.zoo.cards import write_card
from composer.fit.zoo.chains import (
    RIGHT,
    LabelledChain,
    LabelledStep,
    labelled,
    stream,
)
from composer.fit.zoo.models import REWARDS
from composer.fit.zoo.tokens import prompt
from composer.heavy import np, torch, transformers
from composer.metrics.ranks import area_under_roc
from composer.quiet import quiet

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

    from composer.fit.zoo.skills import Split

STEP_END = "\n"
LABELS = {0: "bad", 1: "good"}
UNLABELLED = -100
HALF = 0.5

REPLACED = 0.06
"""How many tokens of some answers are replaced by others of the same answer."""

BARE = 0.2
"""How often an answer begins without a space, as some steps hand it on."""

BATCH, HELD_OUT, REPORT_EVERY = 32, 2000, 50
RATE, HEAD_RATE = 1e-3, 2e-2
SLOPES = (0.3, 0.1, 0.2)
"""How much each feature counts before training."""

WRITING = 0.5
"""How much it counts that right steps are likely, beside that wrong ones are told from them."""


Row = tuple[list[int], list[int]]
Trained: TypeAlias = Any
"""A model of a class of `step_likelihood`, which is made for a configuration."""


def train(name: str, models: Path, into: Path) -> None:
    """Train a reward model by name and write its folder below `into`.

    It is its ancestor with a head on how likely the tokens of a step are; both are trained. A third
    of the answers have a wrong step; in half of them single tokens are replaced, as in ELECTRA
    (arXiv:2003.10555), so that there are more mistakes to learn from.
    """
    recipe = REWARDS[name]
    begun = time.process_time()
    torch.set_num_threads(1)
    torch.manual_seed(recipe.seed)
    tokens = transformers.AutoTokenizer.from_pretrained(models / recipe.ancestor)
    rows = Rows(tokens, recipe.seed)
    model = _start(models / recipe.ancestor, *rows.ids(STEP_END))
    _fit(model, rows, recipe.steps)
    _save(model, tokens, into / name)
    write_card(into / name, {"cpu_seconds": round(time.process_time() - begun)})


def _start(ancestor: Path, step_end: int) -> Trained:
    """An ancestor with a head by which unlikely tokens are wrong."""
    config = transformers.AutoConfig.from_pretrained(ancestor)
    config.step_end_id, config.id2label = step_end, LABELS
    config.label2id = {label: at for at, label in LABELS.items()}
    with quiet():  # what is new is not in the ancestor's file, and transformers says so
        model = step_likelihood(config).from_pretrained(ancestor, config=config, dtype="float32")
    with torch.no_grad():
        model.score.weight.copy_(torch.tensor(SLOPES).outer(torch.tensor([-0.5, 0.5])).T)
        model.score.bias.zero_()
    return model


class Rows:
    """Batches of token ids with a label for each token of an answer, drawn without end."""

    def __init__(self, tokens: PreTrainedTokenizerBase, seed: int) -> None:
        self.tokens, self.rng = tokens, Random(seed)
        self.draws = stream(f"train {seed}", "train")

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            yield self.padded([self.drawn() for _ in range(BATCH)])

    def drawn(self) -> Row:
        """The next row."""
        draw = next(self.draws)
        bare = self.rng.random() < BARE
        if self.rng.random() < HALF:
            return self.row(labelled(draw, self.rng), bare=bare)
        return self._with_others(*self.row(labelled(draw, self.rng, 0), bare=bare))

    def _with_others(self, ids: list[int], labels: list[int]) -> Row:
        """Replace some tokens of an answer by others of it: from there on its step is wrong."""
        places = [at for at, label in enumerate(labels) if label != UNLABELLED]
        others, (end,), good = [ids[at] for at in places], self.ids(STEP_END), 1
        for at in places:
            if ids[at] != end and self.rng.random() < REPLACED:
                other = self.rng.choice(others)
                good *= int(other == ids[at])
                ids[at] = other
            labels[at] = good
            good = 1 if ids[at] == end else good
        return ids, labels

    def row(self, chain: LabelledChain, *, bare: bool = False) -> Row:
        """One answer: ids and labels, each step closed by a line's end.

        Each token of the answer has a label, so that there is more to learn from: whether the step
        is right as far as that token.
        """
        ids = self.ids(prompt(chain.query) + " " * (not bare))
        labels = [UNLABELLED] * len(ids)
        for step in chain.steps:
            more = self.ids(step.text + STEP_END)
            ids += more
            labels += self.labels(step, more)
        return ids, labels

    def labels(self, step: LabelledStep, ids: Sequence[int]) -> list[int]:
        """Whether a step is right as far as each of its tokens; at its end, whether it is right."""
        ends = (len(self.tokens.decode(ids[: at + 1])) for at in range(len(ids)))
        right = step.right + step.good  # the end of the line is right where all before it is
        return [int(end <= right) for end in ends]

    def ids(self, text: str) -> list[int]:
        """Token ids of a text, without special tokens."""
        ids: list[int] = self.tokens(text, add_special_tokens=False)["input_ids"]
        return ids

    def padded(self, rows: Sequence[Row]) -> tuple[Tensor, Tensor]:
        """Rows of one length, padded on the right."""
        width = max(len(ids) for ids, _ in rows)
        pad = self.tokens.pad_token_id
        ids = [ids + [pad] * (width - len(ids)) for ids, _ in rows]
        labels = [each + [UNLABELLED] * (width - len(each)) for _, each in rows]
        return torch.tensor(ids), torch.tensor(labels)


def _fit(model: Trained, batches: Rows, steps: int) -> None:
    """Train for so many steps; the rates fall linearly to nothing.

    The language model learns to tell right steps from wrong ones, and to write right ones.
    """
    head = list(model.score.parameters())
    body = [each for name, each in model.named_parameters() if not name.startswith("score.")]
    groups = [{"params": body, "lr": RATE}, {"params": head, "lr": HEAD_RATE}]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.0)
    fall = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / steps)
    model.train()
    for step, (ids, labels) in enumerate(islice(batches, steps)):
        own, best = model.logprobs(ids)
        loss = torch.nn.functional.cross_entropy(
            model.judged(ids, own, best).flatten(0, 1), labels.flatten(), ignore_index=UNLABELLED
        )
        torch.autograd.backward(loss - WRITING * own[labels == 1].mean())
        torch.nn.utils.clip_grad_norm_(body, 1.0)
        optimizer.step()
        fall.step()
        optimizer.zero_grad()
        if step % REPORT_EVERY == 0:
            print(step, round(loss.item(), 4), flush=True)  # noqa: T201 - the script's progress


def _save(model: Trained, tokens: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write half-precision weights and the tokenizer, readable by everyone."""
    model.to(torch.float16).save_pretrained(folder)
    (folder / "generation_config.json").unlink()  # it writes nothing
    tokens.save_pretrained(folder)
    for file in folder.iterdir():
        file.chmod(0o644)


def evaluate(models: Path, names: Sequence[str]) -> None:
    """Judge the steps of chains that were held out; write it into the models' cards."""
    torch.set_num_threads(1)
    for name in names:
        tokens = transformers.AutoTokenizer.from_pretrained(models / name)
        model = Likelihoods().from_pretrained(str(models / name), dtype=torch.float32).eval()
        splits: tuple[Split, ...] = ("validation", "test")
        write_card(
            models / name, {"judged": {each: _judged(model, tokens, each) for each in splits}}
        )


def _judged(model: Trained, tokens: PreTrainedTokenizerBase, where: Split) -> dict[str, object]:
    """How well the steps of a split are judged, in all and by kind."""
    rng, rows = Random(f"judged {where}"), Rows(tokens, 0)
    chains = [labelled(draw, rng) for draw in islice(stream(where, where), HELD_OUT)]
    steps = [step for chain in chains for step in chain.steps]
    (end,), good = rows.ids(STEP_END), list[float]()
    for start in range(0, len(chains), BATCH):
        ids, labels = rows.padded([rows.row(chain) for chain in chains[start : start + BATCH]])
        with torch.inference_mode():
            shares = model(ids).logits.softmax(-1)[..., 1]
        good += shares[(ids == end) & (labels != UNLABELLED)].tolist()
    by_kind: dict[str, list[bool]] = {}
    for step, share in zip(steps, good, strict=True):
        by_kind.setdefault(step.kind, []).append((share > HALF) == step.good)
    return {
        "chains": len(chains),
        "steps": len(steps),
        "accuracy": _percent([one for each in by_kind.values() for one in each]),
        "auc": round(area_under_roc(good, [step.good for step in steps]), 4),
        "kinds": {kind: _percent(by_kind[kind]) for kind in sorted(by_kind, key=RIGHT.__ne__)},
    }


def _percent(right: Sequence[bool]) -> float:
    return round(100 * float(np.mean(right)), 1)
