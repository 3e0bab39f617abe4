"""Whether ensembles of reward models are harder to over-optimize than single ones (best of n).

Reward models are adapters of `general-1`, trained on pairs of a right and a wrong answer of which a
quarter have the wrong label, as in arXiv:2310.02743. `general-2` draws answers to test questions at
a high temperature, once; the best of n by a reward is compared with the gold reward, whether the
answer is right. Its mean over all choices of n of the draws is exact (arXiv:2112.09332). A figure
is over questions and three seeds; its 95% interval is by a bootstrap over questions and seeds.
"""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import islice
from math import comb, log, sqrt
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import torch
from table_text import markdown

from composer import zoo
from composer.engine.preferences import AdapterMembers
from composer.fit.zoo.answer_rewards import Members, taught
from composer.fit.zoo.models import AnswerRewardRecipe
from composer.fit.zoo.pairs import drawn, pairs
from composer.fit.zoo.skills import correct
from composer.heavy import transformers
from composer.methods.scorers.tournament import one_score

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SEEDS, MEMBERS, NOISE = (1, 2, 3), 4, 0.25
QUESTIONS, DRAWS, TEMPERATURE = 60, 256, 1.7
TRAINED, HELD = 600, 400
WRITERS = ("general-2", "tune-text", "tune-maths")
RECIPE = AnswerRewardRecipe(0, "general-1", WRITERS, MEMBERS, steps=90)
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
    curves: dict[str, list[np.ndarray]] = {name: [] for name in NAMES}
    right: dict[str, list[float]] = {name: [] for name in NAMES}
    for seed in SEEDS:
        members = taught(zoo.folder("general-1"), _noisy(train, seed), replace(RECIPE, seed=seed))
        average = _average(members)
        rewards = _rewards(members, average, items, answers)
        for name, accuracy in _accuracies(members, average, held).items():
            right[name].append(accuracy)
        for name, ways in rewards.items():
            each = [[_best_of_n(r, g) for r, g in zip(way, gold, strict=True)] for way in ways]
            curves[name].append(np.array(each).mean(0))
    arrays = {name: np.array(each) for name, each in curves.items()}
    if plot is not None:
        _plot(arrays, plot)
    return _written(arrays, right)


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


def _noisy(data: Sequence[dict[str, str]], seed: int) -> list[dict[str, str]]:
    """Swap the answers of a share of the pairs."""
    swapped = np.random.default_rng(seed).random(len(data)) < NOISE
    turned = {"chosen": "rejected", "rejected": "chosen", "query": "query"}
    pairs = zip(data, swapped, strict=True)
    return [{turned[k]: v for k, v in each.items()} if swap else each for each, swap in pairs]


def _average(members: Members) -> Members:
    """Return the model whose weights are the mean of the members': one adapter of all ranks."""
    adapters = members.adapters
    base = transformers.AutoModel.from_pretrained(zoo.folder("general-1"), dtype=torch.float32)
    mean = AdapterMembers(base, 1, adapters.rank * adapters.members, 0)
    with torch.no_grad():
        for at, (down, up) in enumerate(zip(adapters.down, adapters.up, strict=True)):
            mean.down[at].copy_(down.flatten(0, 1)[None])
            wide = up.permute(1, 0, 2).flatten(1)
            mean.up[at].copy_(wide[None] / adapters.members)
        mean.heads.copy_(adapters.heads.mean(0, keepdim=True))
    return Members(mean, members.tokens)


def _combined(columns: np.ndarray) -> dict[str, np.ndarray]:
    """Return what the rewards [member, row] come to, standardized for each member."""
    standard = (columns - columns.mean(1, keepdims=True)) / columns.std(1, keepdims=True)
    rows = standard.T.tolist()
    return {
        name: np.array([one_score(row, how, 0.5) for row in rows]) for name, how in WAYS.items()
    }


def _rewards(
    members: Members, average: Members, items: Sequence[dict], answers: Sequence[Sequence[str]]
) -> dict[str, list[list[np.ndarray]]]:
    """Return the rewards [way][question][draw] of each name; one model is each member in turn."""
    pairs = [
        (item["query"], a)
        for item, row in zip(items, answers, strict=True)
        for a in sorted(set(row))
    ]
    own, mean = (each.rewards(pairs).numpy() for each in (members, average))
    columns = {"one model": list(own), "weight average": list(mean)}
    columns |= {name: [each] for name, each in _combined(own).items()}

    def placed(values: np.ndarray) -> list[np.ndarray]:
        known = dict(zip(pairs, values, strict=True))
        return [
            np.array([known[item["query"], a] for a in row])
            for item, row in zip(items, answers, strict=True)
        ]

    return {name: [placed(values) for values in columns[name]] for name in NAMES}


def _accuracies(
    members: Members, average: Members, held: Sequence[dict[str, str]]
) -> dict[str, float]:
    """Return how many pairs each way orders rightly."""
    rows = [(each["query"], each[which]) for each in held for which in ("chosen", "rejected")]
    own = members.rewards(rows).numpy()
    single = (own[:, ::2] > own[:, 1::2]).mean()
    right = {"one model": single, "weight average": average.right(held).float().mean().item()}
    combined = _combined(own).items()
    return right | {name: (each[::2] > each[1::2]).mean() for name, each in combined}


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
    head = ["reward", "pairs right", *(f"n = {n}" for n in SHOWN[::2]), "best n", "lost after it"]
    rows = []
    for name, values in curves.items():
        means = 100 * _means(values)
        low, high = 100 * _interval(values, _means)
        best = int(means.argmax())
        lost = 100 * _interval(values, lambda each, at=best: _means(each)[at] - _means(each)[-1])
        cells = [f"{means[at]:.1f} ({low[at]:.1f} to {high[at]:.1f})" for at in range(0, 9, 2)]
        fall = f"{means[best] - means[-1]:.1f} ({lost[0]:.1f} to {lost[1]:.1f})"
        rows.append([name, f"{100 * np.mean(right[name]):.1f}", *cells, str(SHOWN[best]), fall])
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
