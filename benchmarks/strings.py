"""What fusing over strings gains over fusing token by token, losses too, as a Markdown table.

    python benchmarks/strings.py [--items N]

Two generalists of the zoo, with one tokenizer or with unlike ones, answer the first N test items of
skills whose answers are constrained: letters and words in order, differences, dates. "Draws" is how
often ten answers that are drawn are right; those of a string fuse count by their weights. "Answer"
is one answer of these ten: the most frequent text, or the string with the largest weight. Gains
over the product token by token, and over the member that is right most often here, are paired,
with 95% bootstrap intervals over items. "Greedy" takes the likeliest token each time.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from composer import zoo
from composer.backends.zoo import Zoo
from composer.engine.engine import Engine
from composer.methods import Logs, Product, Union
from composer.methods.strings import Mean, Minimum
from composer.specs import ByteFuse, Declared, StringFuse, TokenFuse
from composer.values import Generate, Query, Sampling

sys.path.insert(0, str(Path(__file__).parent))

from table_text import gain, markdown, percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.values import Completion, Model

SKILLS = ("letters", "order", "sub", "dates")
DRAWS, BYTES, TOKENS = 10, 40, 24
PAIRS = (("general-1", "general-2"), ("general-1", "other"))
MEANS = {"product": Product(), "minimum": Minimum(), "mean": Mean()}


class Item(NamedTuple):
    """A question, and what is right."""

    query: Query
    reference: str


class Scores(NamedTuple):
    """For each item: which share of the draws is right, and whether the answer is."""

    draws: list[float]
    answers: list[float]


def items(count: int) -> list[Item]:
    """The first items of each skill."""
    rows = [json.loads(line) for line in zoo.items("test").read_text("utf-8").splitlines()]
    own = [[row for row in rows if skill in row["tags"]][:count] for skill in SKILLS]
    return [Item(Query.of(row["query"]), row["reference"]) for each in own for row in each]


def asked(
    engine: Engine, model: Model, asks: Sequence[Item], how: Sequence[Sampling]
) -> list[list[Completion]]:
    """The answers [item][sampling] of a model, all at once."""
    futures = [
        [engine.generate(Generate(model, item.query, each)) for each in how] for item in asks
    ]
    return [[future.result() for future in own] for own in futures]


def greedy(engine: Engine, model: Model, asks: Sequence[Item]) -> list[float]:
    """Whether the greedy answer to each item is right."""
    made = asked(engine, model, asks, [Sampling(max_tokens=BYTES)])
    return [right(own[0].text, item) for own, item in zip(made, asks, strict=True)]


def drawn(engine: Engine, model: Model, asks: Sequence[Item], most: int) -> Scores:
    """Ten draws for each item, and the most frequent text of them."""
    how = [Sampling(1.0, max_tokens=most, seed=seed) for seed in range(DRAWS)]
    made = [[each.text for each in own] for own in asked(engine, model, asks, how)]
    pairs = list(zip(made, asks, strict=True))
    return Scores(
        [sum(right(text, item) for text in own) / DRAWS for own, item in pairs],
        [right(Counter(own).most_common(1)[0][0], item) for own, item in pairs],
    )


def weighted(engine: Engine, model: StringFuse, asks: Sequence[Item]) -> Scores:
    """The strings of each item by their weights, and the one with the largest weight."""
    made = asked(engine, model, asks, [Sampling(max_tokens=BYTES)])
    pairs = [(own[0], item) for own, item in zip(made, asks, strict=True)]
    return Scores([posterior(*pair) for pair in pairs], [right(a.text, i) for a, i in pairs])


def posterior(made: Completion, item: Item) -> float:
    """The weight of the strings that are right."""
    strings = made.facts["strings"]
    assert isinstance(strings, list)
    return float(sum(each["share"] * right(each["text"], item) for each in strings))


def right(text: str, item: Item) -> float:
    """1 if a text is the reference, up to space around it."""
    return float(text.strip() == item.reference)


def table(engine: Engine, names: tuple[str, ...], asks: Sequence[Item]) -> str:
    """The table of two members, and a line for each way to take the likeliest token."""
    members = tuple(Declared(name, Zoo(model=name)) for name in names)
    tokens = TokenFuse(members, names, (1, 1), combine=Logs(), align=Union(), normalize=False)
    base = drawn(engine, tokens, asks, TOKENS)
    one = StringFuse(members, names, f=Product(), particles=1)
    scores = {
        "product, token by token": base,
        "product, byte by byte": drawn(engine, one, asks, BYTES),
    }
    for name, mean in MEANS.items():
        fuse = StringFuse(members, names, f=mean, particles=DRAWS)
        scores[f"{name} of strings"] = weighted(engine, fuse, asks)
    ways: dict[str, Model] = {member.name: member for member in members}
    ways["the product"] = tokens
    ways["byte_fuse"] = ByteFuse(members, names)
    ways["byte_fuse, five tokenizations"] = ByteFuse(members, names, tokenizations=5)
    alone = {name: greedy(engine, each, asks) for name, each in ways.items()}
    best = max((alone[name] for name in names), key=sum)
    rows = [
        [
            name,
            percent(own.draws),
            gain(own.draws, base.draws),
            percent(own.answers),
            gain(own.answers, base.answers),
            gain(own.answers, best),
        ]
        for name, own in scores.items()
    ]
    rows += [
        [f"{name}, greedy", "", "", percent(own), gain(own, base.answers), gain(own, best)]
        for name, own in alone.items()
    ]
    head = ("draws right", "gain", "answer right", "gain", "over the best member")
    return markdown((" and ".join(names), *head), rows)


def main() -> None:
    """Print a table for each pair of members."""
    import torch

    torch.set_num_threads(1)
    parser = argparse.ArgumentParser()
    parser.add_argument("--items", type=int, default=60, help="items of each skill")
    asks = items(parser.parse_args().items)
    with Engine() as engine:
        for names in PAIRS:
            print(table(engine, names, asks), end="\n\n", flush=True)


if __name__ == "__main__":
    main()
