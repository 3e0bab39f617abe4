"""Whether ensembles of reward models are harder to over-optimize than single ones (best of n).

A reward model is a head of two layers on frozen features of `general-1`: hidden states at the end
of an answer, and how likely its tokens are. It is trained on pairs of a right and a wrong answer of
which a quarter have the wrong label, as in arXiv:2310.02743; each of five has pairs of its own
(bootstrap), and all begin with the same weights. `general-2` draws answers to test questions at a
high temperature, once; the best of n by a reward is compared with the gold reward, whether the
answer is right. Its mean over all choices of n of the draws is exact (arXiv:2112.09332). A figure
is over questions and three seeds; its 95% interval is by a bootstrap over questions and seeds.
"""

from __future__ import annotations

import json
from copy import deepcopy
from itertools import islice
from math import comb, log, sqrt
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import torch
from table_text import markdown

from composer import zoo
from composer.engine.preferences import preference_loss, weights_of
from composer.fit.zoo.pairs import drawn, pairs
from composer.fit.zoo.skills import correct
from composer.fit.zoo.tokens import prompt
from composer.heavy import transformers
from composer.methods.scorers.tournament import one_score

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

SEEDS, MEMBERS, NOISE, C = (1, 2, 3), 5, 0.25, 0.5
QUESTIONS, DRAWS, TEMPERATURE = 60, 256, 1.7
TRAINED, HELD = 600, 400
WRITERS = ("general-2", "tune-text", "tune-maths")
WIDE, STEPS, BATCH, RATE = 64, 400, 64, 2e-3
SHOWN = (1, 2, 4, 8, 16, 32, 64, 128, 256)
WAYS = {"mean": "mean", "worst case": "minimum", "uncertainty-weighted": "penalized"}
NAMES = ("one model", *WAYS, "weight average")


def table(data: Path, plot: Path | None = None, work: Path | None = None) -> str:
    """Return the table; the data folder is not read, and `work` keeps draws and pairs."""
    del data
    torch.set_num_threads(1)
    with TemporaryDirectory() as temporary:
        folder = work or Path(temporary)
        folder.mkdir(exist_ok=True)
        items, answers = _draws(folder)
        train, held = _pairs(folder)
    gold = [
        [correct(a, item["reference"]) for a in row]
        for item, row in zip(items, answers, strict=True)
    ]
    reader = Reader()
    written = [(item["query"], a) for item, row in zip(items, answers, strict=True) for a in row]
    learned, known = reader.of_pairs(train), reader.of_pairs(held)
    distinct = sorted(set(written))
    features = dict(zip(distinct, reader.features(distinct), strict=True))
    drawn_features = torch.stack([features[each] for each in written])
    curves: dict[str, list[np.ndarray]] = {name: [] for name in NAMES}
    right: dict[str, list[float]] = {name: [] for name in NAMES}
    for seed in SEEDS:
        heads = Heads(learned, seed)
        for name, each in heads.rewards(known).items():
            right[name].append((each[:, ::2] > each[:, 1::2]).mean())
        for name, each in heads.rewards(drawn_features).items():
            ways = each.reshape(-1, len(items), DRAWS)
            curve = [[_best_of_n(r, g) for r, g in zip(w, gold, strict=True)] for w in ways]
            curves[name].append(np.array(curve).mean(0))
    arrays = {name: np.array(each) for name, each in curves.items()}
    if plot is not None:
        _plot(arrays, plot)
    return _written(arrays, right)


class Reader:
    """Reads answers with `general-1`."""

    def __init__(self) -> None:
        folder = zoo.folder("general-1")
        self.tokens = transformers.AutoTokenizer.from_pretrained(folder)
        self.model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)

    def of_pairs(self, data: Sequence[dict[str, str]]) -> Tensor:
        """Return features [text, feature] of the chosen and rejected answers, in turn."""
        each = [(row["query"], row[which]) for row in data for which in ("chosen", "rejected")]
        return self.features(each)

    @torch.inference_mode()
    def features(self, texts: Sequence[tuple[str, str]]) -> Tensor:
        """Return features [text, feature] of questions with their answers."""
        prompts = [self._ids(prompt(query)) for query, _ in texts]
        end = self.tokens.eos_token
        rows = [self._ids(f"{prompt(query)} {answer}{end}") for query, answer in texts]
        order = sorted(range(len(rows)), key=lambda at: len(rows[at]))
        features: dict[int, Tensor] = {}
        for start in range(0, len(order), 128):
            some = order[start : start + 128]
            width = max(len(rows[at]) for at in some)
            ids = torch.tensor([rows[at] + [0] * (width - len(rows[at])) for at in some])
            out = self.model(ids, output_hidden_states=True)
            logprobs = out.logits.log_softmax(-1)
            for row, at in enumerate(some):
                first, last = len(prompts[at]), len(rows[at]) - 1
                own = logprobs[row, first - 1 : last].gather(1, ids[row, first : last + 1, None])
                likely = torch.stack([own.sum(), own.min(), own.mean()])
                hidden = [out.hidden_states[layer][row, last] for layer in (2, 3)]
                features[at] = torch.cat([likely, *hidden])
        return torch.stack([features[at] for at in range(len(texts))])

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self.tokens(text, add_special_tokens=False)["input_ids"]
        return ids


class Heads:
    """Reward models of two layers, trained by pairs whose labels are partly wrong."""

    def __init__(self, pairs: Tensor, seed: int) -> None:
        self.mean, self.deviation = pairs.mean(0), pairs.std(0) + 1e-6
        torch.manual_seed(seed)
        start = torch.nn.Sequential(
            torch.nn.Linear(pairs.shape[1], WIDE), torch.nn.Tanh(), torch.nn.Linear(WIDE, 1)
        )
        chosen, rejected = self._scaled(pairs)[::2], self._scaled(pairs)[1::2]
        wrong = (torch.rand(len(chosen)) < NOISE)[:, None]
        chosen, rejected = (
            torch.where(wrong, rejected, chosen),
            torch.where(wrong, chosen, rejected),
        )
        weights = weights_of(len(chosen), MEMBERS, seed, bootstrap=True)
        self.members = [_trained(deepcopy(start), chosen, rejected, w) for w in weights]
        average = deepcopy(start)
        states = [each.state_dict() for each in self.members]
        average.load_state_dict(
            {name: torch.stack([each[name] for each in states]).mean(0) for name in states[0]}
        )
        self.average = average
        self.standard: tuple[np.ndarray, np.ndarray] | None = None
        own = self._own(pairs)
        self.standard = own.mean(1, keepdims=True), own.std(1, keepdims=True)

    def _scaled(self, features: Tensor) -> Tensor:
        return (features - self.mean) / self.deviation

    @torch.no_grad()
    def _own(self, features: Tensor) -> np.ndarray:
        """Return the rewards [member, text], standardized over the answers of training."""
        scaled = self._scaled(features)
        own = np.stack([each(scaled)[:, 0].numpy() for each in self.members])
        return own if self.standard is None else (own - self.standard[0]) / self.standard[1]

    @torch.no_grad()
    def rewards(self, features: Tensor) -> dict[str, np.ndarray]:
        """Return the rewards [way, text] of each name; one model is each member in turn."""
        own = self._own(features)
        rows = own.T.tolist()
        combined = {
            name: np.array([[one_score(row, how, C) for row in rows]]) for name, how in WAYS.items()
        }
        average = self.average(self._scaled(features))[:, 0].numpy()[None]
        return {"one model": own, **combined, "weight average": average}


def _trained(
    head: torch.nn.Module, chosen: Tensor, rejected: Tensor, weights: Tensor
) -> torch.nn.Module:
    """Train one head; pairs come as often as its weights say."""
    optimizer = torch.optim.AdamW(head.parameters(), lr=RATE, weight_decay=0.0)
    for _ in range(STEPS):
        some = torch.multinomial(weights, BATCH, replacement=True)
        losses = preference_loss(head(chosen[some]), head(rejected[some]))
        torch.autograd.backward(losses.mean())
        optimizer.step()
        optimizer.zero_grad()
    return head


def _draws(folder: Path) -> tuple[list[dict], list[list[str]]]:
    """Return questions and the answers that were drawn to each, drawn unless they are kept."""
    lines = zoo.items("test").read_text(encoding="utf-8").splitlines()
    rows = [row for row in map(json.loads, lines) if row["tags"][0] != "steps"]
    items = rows[:: len(rows) // QUESTIONS][:QUESTIONS]
    path = folder / f"draws-{QUESTIONS}-{DRAWS}-{TEMPERATURE}.json"
    if not path.exists():
        queries = [item["query"] for item in items]
        made = drawn(zoo.folder("general-2"), queries, DRAWS, 0, TEMPERATURE)
        path.write_text(json.dumps(made))
    return items, json.loads(path.read_text())


def _pairs(folder: Path) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Return pairs to train on, and pairs of test questions."""
    path = folder / "pairs.json"
    if not path.exists():
        models = [zoo.folder(each) for each in WRITERS]
        made = [
            list(islice(pairs(models, 3 * count, seed, where), count))
            for count, seed, where in ((TRAINED, 1, "train"), (HELD, 2, "test"))
        ]
        path.write_text(json.dumps(made))
    train, held = json.loads(path.read_text())
    return train[:TRAINED], held[:HELD]


def _best_of_n(rewards: np.ndarray, gold: Sequence[bool]) -> list[float]:
    """Return the mean gold reward of the best of n draws, over all choices of n of them.

    Draws of one reward stand in an order that does not depend on the gold reward.
    """
    order = np.argsort(rewards, kind="stable")
    sorted_gold, count = np.array(gold, float)[order], len(gold)
    curve = []
    for n in SHOWN:
        ways = [comb(at, n - 1) / comb(count, n) for at in range(count)]
        curve.append(float(np.dot(ways, sorted_gold)))
    return curve


def divergence(n: int) -> float:
    """Return the square root of the Kullback-Leibler divergence of the best of n, in nats."""
    return sqrt(log(n) - (n - 1) / n)


def _interval(values: np.ndarray, of: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Return the 95% interval of a figure of values [seed, question, n], by a bootstrap."""
    rng, drawn_figures = np.random.default_rng(0), []
    for _ in range(1000):
        seeds = rng.integers(len(values), size=len(values))
        questions = rng.integers(values.shape[1], size=values.shape[1])
        drawn_figures.append(of(values[seeds][:, questions]))
    return np.percentile(drawn_figures, [2.5, 97.5], axis=0)


def _means(values: np.ndarray) -> np.ndarray:
    return values.mean((0, 1))


def _written(curves: dict[str, np.ndarray], right: dict[str, list[float]]) -> str:
    head = [
        "reward",
        "pairs right",
        *(f"n = {n}" for n in SHOWN[::2]),
        "n = 256, over one model",
        "best n",
        "lost after it",
    ]
    rows = []
    for name, values in curves.items():
        means = 100 * _means(values)
        low, high = 100 * _interval(values, _means)
        best = int(means.argmax())
        gains = values - curves["one model"]
        between = 100 * _interval(gains, _means)[:, -1]
        over = f"{100 * _means(gains)[-1]:+.1f} ({between[0]:+.1f} to {between[1]:+.1f})"
        lost = 100 * _interval(values, lambda each, at=best: _means(each)[at] - _means(each)[-1])
        cells = [f"{means[at]:.1f} ({low[at]:.1f} to {high[at]:.1f})" for at in range(0, 9, 2)]
        fall = f"{means[best] - means[-1]:.1f} ({lost[0]:.1f} to {lost[1]:.1f})"
        rows.append(
            [name, f"{100 * np.mean(right[name]):.1f}", *cells, over, str(SHOWN[best]), fall]
        )
    return markdown(head, rows)


def _plot(curves: dict[str, np.ndarray], path: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4.5))
    places = [divergence(n) for n in SHOWN]
    for name, values in curves.items():
        (line,) = axes.plot(places, 100 * _means(values), marker="o", label=name)
        low, high = 100 * _interval(values, _means)
        axes.fill_between(places, low, high, alpha=0.1, color=line.get_color())
    axes.set_xlabel("square root of the KL divergence of the best of n (nats)")
    axes.set_ylabel("gold reward: % right")
    axes.legend()
    figure.tight_layout()
    figure.savefig(path)
