"""What weights that change, members that rest and a last choice gain on test items of the zoo.

Every tenth test item is answered greedily by three members, fused word by word. Gains are paired,
with 95% bootstrap intervals over items. "Best member" is the one that is right most often here.
"Proposals" is how many spans the members propose for one answer. The policy is that of the recipe
`span/rlae`, which was fitted on validation items.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from table_text import gain, markdown, percent

from composer import zoo
from composer.backends.zoo import Zoo
from composer.engine.engine import Engine
from composer.methods import MeanLogprob, Words
from composer.methods.spans.exits import LowShare
from composer.methods.spans.hedge import Hedge
from composer.methods.spans.policy import Policy
from composer.specs import Declared, SpanFuse
from composer.values import Generate, Query, Sampling

if TYPE_CHECKING:
    from composer.values import Completion, Model

HERE = Path(__file__).parents[2]
EVERY = 10
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
    "both": {"weigh": Hedge(), "exit": REST},
    "`rerank`": {"rerank": True},
}
POLICY = {"weigh": Policy(draws=4, file=str(HERE / "recipes" / "span" / "rlae.safetensors"))}


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
    names, ways = GROUPS[group], dict(WAYS)
    if group == "two experts":
        ways["`policy()`"] = POLICY
    items = _items()
    members = tuple(Declared(_name(name), Zoo(name=name)) for name in names)
    fuse = SpanFuse(members, tuple(map(_name, names)), span=Words(), score=MeanLogprob())
    with Engine() as engine:
        alone = [_right(items, _answers(engine, member, items)) for member in members]
        best = max(alone, key=sum)
        fused = {
            way: _answers(engine, SpanFuse(**{**vars(fuse), **options}), items)
            for way, options in ways.items()
        }
    fixed = _right(items, fused["fixed"])
    lines = [[group, "best member alone", percent(best), gain(best, fixed), "", ""]]
    for way, answers in fused.items():
        right = _right(items, answers)
        proposals = sum(len(span.weights) for each in answers for span in each.spans) / len(items)
        over = "" if way == "fixed" else gain(right, fixed)
        lines.append([group, way, percent(right), over, gain(right, best), f"{proposals:.1f}"])
    return lines


def _name(name: str) -> str:
    return {"general-1": "general", "general-2": "general_2"}.get(name, name)


def _items() -> list[Item]:
    text = (Path(zoo.__file__).parent / "items" / "test.jsonl").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in text.splitlines()[::EVERY]]
    return [Item(Query.of(row["query"], id=row["id"]), row["reference"]) for row in rows]


def _answers(engine: Engine, model: Model, items: list[Item]) -> list[Completion]:
    jobs = [Generate(model, item.query, Sampling(max_tokens=24)) for item in items]
    futures = [engine.generate(job, None) for job in jobs]
    return [future.result() for future in futures]


def _right(items: list[Item], answers: list[Completion]) -> list[float]:
    pairs = zip(items, answers, strict=True)
    return [float(answer.text.strip() == item.reference) for item, answer in pairs]
