"""Where to cut: what each boundary gains and costs, on two tasks of the zoo and on story models."""

from __future__ import annotations

from statistics import mean
from typing import TYPE_CHECKING

from table_text import gain, markdown, percent

from composer.methods import MeanLogprob, parts
from span_tables._experts import learned, prompts, shares, written
from span_tables._zoo import items, measured, scores

if TYPE_CHECKING:
    from pathlib import Path

ROWS, COUNT = 80, 12
TASKS = "steps", "order"
MEMBERS = "general, general_2, other"
CUTS = {
    "words(n = 1)": ("words", {"n": 1}),
    "words(n = 2)": ("words", {"n": 2}),
    "words(n = 4)": ("words", {"n": 4}),
    "tokens(n = 4)": ("tokens", {"n": 4}),
    "common()": ("common", {}),
    "sentence()": ("sentence", {}),
    "margin()": ("margin", {}),
}
FIRST = "words(n = 1)"


def table(data: Path) -> str:
    """Return both tables."""
    return f"{_tasks()}\n\n{_experts(data)}"


def _tasks() -> str:
    recipes = {name: f"span_fuse({MEMBERS}, span = {name})" for name in CUTS}
    lines = []
    for task in TASKS:
        reports = measured(recipes, items(ROWS, (task,)))
        first = scores(reports[FIRST])
        lines += [
            [
                f"{task}: `{name}`",
                percent(scores(report)),
                "" if name == FIRST else gain(scores(report), first),
            ]
            for name, report in reports.items()
        ]
    head = ["task and boundary", "right", f"over `{FIRST}`"]
    return markdown(head, lines)


def _experts(data: Path) -> str:
    kinds = parts()["boundary"]
    fuses = {
        name: {"span": kinds[word](**options), "score": MeanLogprob()}
        for name, (word, options) in CUTS.items()
    }
    fuses["learned_boundary()"] = {"span": learned(data), "score": MeanLogprob()}
    won: dict[str, list[float]] = {name: [] for name in fuses}
    spans: dict[str, list[int]] = {name: [] for name in fuses}
    tokens: dict[str, list[float]] = {name: [] for name in fuses}
    for expert, asked in prompts(data, COUNT).items():
        for name, own in fuses.items():
            answers, read = written(data, asked, own)
            won[name] += shares(answers, expert)
            spans[name] += [len(answer.spans) for answer in answers]
            tokens[name].append(read / sum(len(answer.tokens) for answer in answers))
    lines = [
        [f"`{name}`", percent(own), f"{mean(spans[name]):.1f}", f"{mean(tokens[name]):.1f}"]
        for name, own in won.items()
    ]
    head = ["boundary", "spans won by the right expert", "spans an answer", "tokens read for each"]
    return markdown(head, lines)
