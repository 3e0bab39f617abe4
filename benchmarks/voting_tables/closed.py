"""Votes over closed answers: recorded pools, labels and none, and a simulated pool."""

from __future__ import annotations

import random
from itertools import product
from typing import TYPE_CHECKING

from table_text import gain, markdown, percent

from composer.methods import Exact
from composer.methods.answer_table import AnswerRow, AnswerTable
from composer.methods.selecting import comparisons
from composer.values import Candidates, Query, Text
from voting_tables._pools import WHOLE, Answers, Pool, answers, members_of, vote_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from composer.methods.reductions.held_out import Selector

GSM, CRUX = ("zeroeval_gsm", "number()", "numeric()"), ("zeroeval_crux", WHOLE, "verbatim()")
SMALL5 = (
    "Meta-Llama-3-8B-Instruct",
    "Qwen2-7B-Instruct",
    "Yi-1.5-9B-Chat",
    "Phi-3.5-mini-instruct",
    "gemma-2-9b-it",
)
SMALL7 = ("Meta-Llama-3.1-8B-Instruct", "Qwen2.5-7B-Instruct", *SMALL5)
POOLS = {
    "gsm small5": (*GSM, SMALL5),
    "gsm mid7": (
        *GSM,
        (
            "Mistral-Nemo-Instruct-2407",
            "Meta-Llama-3.1-8B-Instruct",
            "gpt-3.5-turbo-0125",
            "command-r-plus",
            "reka-flash-20240226",
            "Mixtral-8x7B-Instruct-v0.1",
            "claude-3-haiku-20240307",
        ),
    ),
    "crux small7": (*CRUX, SMALL7),
    "crux mid7": (
        *CRUX,
        (
            "Qwen2.5-72B-Instruct",
            "Meta-Llama-3.1-70B-Instruct",
            "Mistral-Large-2",
            "deepseek-v2.5-0908",
            "gemini-1.5-pro",
            "claude-3-opus-20240229",
            "gpt-4o-mini-2024-07-18",
        ),
    ),
    "gsm8k four models": ("gsm8k_four_models", "number()", "numeric()", ()),
    "crux all51": (*CRUX, ()),
}
FREE = {
    "OW-L": 'log_odds(source = "agreement")',
    "OW-I": 'log_odds(source = "surprising")',
    "ISP": "surprising()",
    "one coin": "dawid_skene()",
}
LABELLED = {
    "log-odds": "log_odds()",
    "guarded": "guarded(of = log_odds())",
    "DFPE": "fingerprints(scale = 5)",
    "DFPE, no clusters": "fingerprints(scale = 5, eps = 0.000001)",
    "TOPLA's network": "combiner()",
}
LABELS, SPLITS = 200, 10
MANY, QUICK = 20, ("log-odds", "guarded")
"""Pools of more members are measured with the quick votes only."""

SIMULATED = ((0.9, 0.6, 0.6, 0.55), 4, 20_000)


def table(data: Path) -> str:
    """Return the tables of closed answers."""
    parts = [_majority(data), _free(data), _labelled(data), _simulated()]
    return "\n\n".join(parts)


def pool_of(data: Path, name: str) -> Pool:
    """Return a pool by its name; one without a list of members has all of its file."""
    file, reader, by, members = POOLS[name]
    return Pool(file, members or members_of(data, file), reader, by)


def _majority(data: Path) -> str:
    rows = []
    for name in POOLS:
        pool = answers(data, pool_of(data, name))
        plain = pool.quality(vote_of("count()"))
        best = pool.quality_of(pool.table.best_member)
        oracle = percent(pool.best_quality())
        figures = [percent(plain), percent(best), gain(plain, best), oracle]
        rows.append([name, str(len(plain)), *figures])
    head = ["pool", "rows", "majority", "best member, in hindsight", "gain over it", "any member"]
    return markdown(head, rows)


def _free(data: Path) -> str:
    rows = []
    for name in POOLS:
        pool = answers(data, pool_of(data, name))
        plain = pool.quality(vote_of("count()"))
        fitted = [pool.fitted(vote_of(text)) for text in FREE.values()]
        gains = [gain(pool.quality(part), plain) for part in fitted]
        rows.append([name, f"{_choices(fitted[0]):.1f}", *gains])
    title = "Without labels: gain over majority, in points, K by the rule.\n\n"
    return title + markdown(["pool", "K", *FREE], rows)


def _choices(part: Selector) -> float:
    fitted = getattr(part, "fitted", None)
    return float(fitted.state.facts["choices"])


def _labelled(data: Path) -> str:
    rows = [[name, *_splits(answers(data, pool_of(data, name)))] for name in POOLS]
    title = (
        f"With {LABELS} labels: mean quality on the other rows over {SPLITS} random splits, in "
        "percent, and its standard deviation over the splits.\n\n"
    )
    return title + markdown(["pool", "majority", "member by labels", *LABELLED], rows)


def _splits(pool: Answers) -> list[str]:
    votes = LABELLED if len(pool.table.names) <= MANY else {k: LABELLED[k] for k in QUICK}
    results: list[list[float]] = []
    for seed in range(SPLITS):
        order = random.Random(seed).sample(range(len(pool.table.rows)), len(pool.table.rows))
        known, others = pool.taken(order[:LABELS]), pool.taken(order[LABELS:])
        each = [
            others.quality(vote_of("count()")),
            others.quality_of(known.table.best_member),
            *(others.quality(known.fitted(vote_of(text))) for text in votes.values()),
        ]
        results.append([100 * sum(values) / len(values) for values in each])
    figures = [_spread(values) for values in zip(*results, strict=True)]
    return [*figures, *["not measured"] * (len(LABELLED) - len(votes))]


def _spread(values: Sequence[float]) -> str:
    mean = sum(values) / len(values)
    deviation = (sum((v - mean) ** 2 for v in values) / (len(values) - 1)) ** 0.5
    return f"{mean:.2f} ± {deviation:.2f}"


def _simulated() -> str:
    accuracy, choices, count = SIMULATED
    pool = _drawn(accuracy, choices, count)
    votes = {
        "surprising popularity": "surprising(k = -1, choices = 4)",
        "majority": "count()",
        "ISP": "surprising(choices = 4)",
        "OW-L": 'log_odds(source = "agreement", choices = 4)',
        "OW-L, K by the rule": 'log_odds(source = "agreement")',
        "log-odds, labels": "log_odds(choices = 4)",
    }
    rows = []
    for name, text in votes.items():
        part = pool.fitted(vote_of(text))
        rows.append([name, percent(pool.quality(part)), f"{100 * _expected(part):.2f}"])
    title = (
        f"Simulated members that are right with chance {', '.join(map(str, accuracy))}, {choices} "
        f"choices, {count:,} rows; and the exact expectation of the same weights.\n\n"
    )
    return title + markdown(["vote", "drawn rows", "expectation"], rows)


def _row(said: Sequence[int], query: str) -> AnswerRow:
    """Return a row on which 0 is the right answer."""
    asked = Query.of(query)
    names = tuple(f"m{at}" for at in range(len(said)))
    texts = tuple(Text(asked, str(each), name) for each, name in zip(said, names, strict=True))
    return AnswerRow(Candidates(asked, texts, names), tuple(float(each == 0) for each in said))


def _answers(rows: Sequence[AnswerRow]) -> Answers:
    made = AnswerTable(rows[0].candidates.names, tuple(rows))
    return Answers(made, comparisons(made, Exact()))


def _drawn(accuracy: Sequence[float], choices: int, count: int) -> Answers:
    draw = random.Random(0)
    return _answers(
        [
            _row([0 if draw.random() < x else draw.randrange(1, choices) for x in accuracy], str(n))
            for n in range(count)
        ]
    )


def _expected(part: Selector) -> float:
    """Return the chance that a vote is right: the sum over all answers that members can give."""
    accuracy, choices, _ = SIMULATED
    every = list(product(range(choices), repeat=len(accuracy)))
    quality = _answers([_row(said, str(n)) for n, said in enumerate(every)]).quality(part)
    total = 0.0
    for said, each in zip(every, quality, strict=True):
        chance = 1.0
        for answer, x in zip(said, accuracy, strict=True):
            chance *= x if answer == 0 else (1 - x) / (choices - 1)
        total += chance * each
    return total
