"""What weights that change, members that rest and a last choice gain on test items of the zoo.

Every fortieth test item is answered greedily by three members, in spans of two tokens. Gains are
paired, with 95% bootstrap intervals over items. "Best member" is the one that is right most often
here. "Proposals" is how many members propose a span, over all spans of an answer.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

import torch
from table_text import gain, markdown, percent

from composer import zoo
from composer.backends.zoo import Zoo
from composer.engine.engine import Engine
from composer.methods import MeanLogprob
from composer.methods.spans.boundaries import Tokens
from composer.methods.spans.exits import LowShare
from composer.methods.spans.hedge import Hedge
from composer.specs import Declared, SpanFuse
from composer.values import Generate, Query, Sampling

if TYPE_CHECKING:
    from pathlib import Path

    from composer.values import Completion, Model

EVERY = 40
GROUPS = {
    "two experts": ("maths", "text", "general-1"),
    "generalists": ("general-1", "general-2", "other"),
}
REST = LowShare(below=0.2, over=2, again=4)
WAYS = {
    "fixed": {},
    "`hedge()`": {"weigh": Hedge()},
    "`hedge(rate = 5)`": {"weigh": Hedge(rate=5)},
    "`low_share(over = 2)`": {"exit": REST},
    "`rerank`": {"rerank": True},
}


class Item(NamedTuple):
    """A question, and what is right."""

    query: Query
    reference: str


def table(data: Path) -> str:
    """Return the table; the data folder is not read."""
    del data
    torch.set_num_threads(1)
    lines = [line for group in GROUPS for line in _lines(group)]
    head = ["members", "way", "right, %", "over fixed, points", "over the best member, points"]
    return markdown([*head, "proposals"], lines)


def _lines(group: str) -> list[list[str]]:
    names = GROUPS[group]
    items = _items()
    members = tuple(Declared(name, Zoo(model=name)) for name in names)
    fuse = SpanFuse(members, names, span=Tokens(n=2), score=MeanLogprob())
    with Engine() as engine:
        alone = [_right(items, _answers(engine, member, items)) for member in members]
        best = max(alone, key=sum)
        fused = {
            way: _answers(engine, SpanFuse(**{**vars(fuse), **options}), items)
            for way, options in WAYS.items()
        }
    fixed = _right(items, fused["fixed"])
    lines = [[group, "best member alone", percent(best), gain(best, fixed), "", ""]]
    for way, answers in fused.items():
        right = _right(items, answers)
        proposals = sum(len(span.weights) for each in answers for span in each.spans) / len(items)
        over = "" if way == "fixed" else gain(right, fixed)
        lines.append([group, way, percent(right), over, gain(right, best), f"{proposals:.1f}"])
    return lines


def _items() -> list[Item]:
    lines = zoo.items("test").read_text(encoding="utf-8").splitlines()[::EVERY]
    rows = [json.loads(line) for line in lines]
    return [Item(Query.of(row["query"], id=row["id"]), row["reference"]) for row in rows]


def _answers(engine: Engine, model: Model, items: list[Item]) -> list[Completion]:
    jobs = [Generate(model, item.query, Sampling(max_tokens=24)) for item in items]
    futures = [engine.generate(job, None) for job in jobs]
    return [future.result() for future in futures]


def _right(items: list[Item], answers: list[Completion]) -> list[float]:
    pairs = zip(items, answers, strict=True)
    return [float(answer.text.strip() == item.reference) for item, answer in pairs]
