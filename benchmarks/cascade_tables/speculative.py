"""Cascades token by token, on a pair of the zoo: what drafts save, at equal quality.

Each rule gets the largest lenience whose accuracy on validation items is at most one point below
that of the large model alone. Then it answers test items. Quality is measured without drafts, which
do not change what is written; speed and forward passes on one query at a time. Seconds are those of
the processor, so that other work on the machine does not count.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Literal

import numpy as np
from table_text import gain, markdown, percent, ratio

from composer import zoo
from composer.backends.zoo import Zoo
from composer.engine.engine import Engine
from composer.evaluate import Grading, read_rows
from composer.methods import Shared
from composer.methods.draft.speculative import Speculative
from composer.methods.token_rules import Chow, Diff, Lossy, Opt, TokenRule
from composer.specs import Declared, TokenFuse
from composer.values import Generate, Query, Sampling

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from composer.evaluate import EvaluationRow
    from composer.methods.token_rules import TokenCascade
    from composer.values.flow import Model

SMALL, LARGE = (Declared(name, Zoo(model=name)) for name in ("general-1", "large"))
LENIENCES = (0.4, 0.2, 0.1)
VALIDATION, TEST, TIMED, ROUNDS, TOLERANCE = 150, 200, 15, 1, 0.01
TOKENS, TEMPERATURES = 96, (0.0, 1.0)
HEAD = (
    "temperature, way",
    "lenience",
    "accuracy",
    "points over the large model",
    "large model's passes for 100 tokens",
    "tokens a second",
)


@dataclass(frozen=True)
class Way:
    """A way to write answers: its title, the model that it is, and its lenience as text."""

    title: str
    model: Model
    lenience: str = ""


RULES: dict[str, Callable[[float], TokenCascade]] = {
    "chow": lambda x: Chow(lenience=x),
    "diff": lambda x: Diff(lenience=x),
    "opt": lambda x: Opt(lenience=x),
    "token_rule 1": lambda x: TokenRule(lenience=x, version=1),
    "token_rule 2": lambda x: TokenRule(lenience=x, version=2),
    "token_rule 3": lambda x: TokenRule(lenience=x, version=3),
    "lossy": lambda x: Lossy(lenience=x),
}
ALONE = (Way("large alone", LARGE), Way("small alone", SMALL))


def table(data: Path) -> str:
    """Return accuracy, passes of the large model and speed for every rule, at two temperatures."""
    del data  # the models and the items are those of the zoo
    lines = []
    for temperature in TEMPERATURES:
        chosen = [_chosen(rule, temperature) for rule in RULES]
        ways = [*ALONE, _way("diff", -1.0, "exact drafting"), *chosen]
        figures = _speeds(ways, temperature)
        large = _qualities(ALONE[0], "test", temperature)
        for way in ways:
            right = _qualities(way, "test", temperature)
            over = "" if way is ALONE[0] else gain(right, large)
            title = f"{temperature:g}, {way.title}"
            lines.append([title, way.lenience, percent(right), over, *figures[way]])
    return markdown(HEAD, lines)


def _way(rule: str, lenience: float, title: str = "") -> Way:
    fuse = TokenFuse(
        (SMALL, LARGE),
        ("A", "B"),
        combine=RULES[rule](lenience),
        align=Shared(),
        draft=Speculative(),
    )
    return Way(title or rule, fuse, "" if title else f"{lenience:g}")


def _chosen(rule: str, temperature: float) -> Way:
    """The largest lenience that is good enough on validation items; the smallest if none is."""
    floor = np.mean(_qualities(ALONE[0], "validation", temperature)) - TOLERANCE
    ways = [_way(rule, lenience) for lenience in LENIENCES]
    good = (w for w in ways if np.mean(_qualities(w, "validation", temperature)) >= floor)
    return next(good, ways[-1])


@cache
def _rows(split: Literal["validation", "test"]) -> Sequence[EvaluationRow]:
    rows = list(read_rows(zoo.items(split)))
    random.Random(0).shuffle(rows)
    return rows[: TEST if split == "test" else VALIDATION]


@cache
def _qualities(
    way: Way, split: Literal["validation", "test"], temperature: float
) -> Sequence[float]:
    """Whether each answer is right, in the order of the rows."""
    rows, model = _rows(split), way.model
    plain = replace(model, draft=None) if isinstance(model, TokenFuse) else model
    with Engine() as engine, Grading("auto") as grading:
        jobs = [_job(plain, row, seed, temperature) for seed, row in enumerate(rows)]
        made = [future.result() for future in [engine.generate(job) for job in jobs]]
        pairs = zip(rows, made, strict=True)
        return [grading.grade(row, answer.text).score or 0.0 for row, answer in pairs]


def _job(model: Model, row: EvaluationRow, seed: int, temperature: float) -> Generate:
    sampling = Sampling(max_tokens=TOKENS, temperature=temperature, seed=seed)
    return Generate(model, Query.of(row.query), sampling)


def _speeds(ways: Sequence[Way], temperature: float) -> dict[Way, tuple[str, str]]:
    """The large model's passes for 100 tokens, and tokens a second, each with its interval."""
    rows = _rows("test")[:TIMED]
    counts = {way: np.zeros((len(rows), 3)) for way in ways}
    with Engine() as engine:
        for way in ways:
            _write(engine, way, rows[0], 0, temperature)
        for seed in range(ROUNDS):
            for at, row in enumerate(rows):
                for way in ways:  # in turns: the machine may be slower at some times
                    counts[way][at] += _write(engine, way, row, seed, temperature)
    return {
        way: (ratio(100 * each[:, 1], each[:, 0]), ratio(each[:, 0], each[:, 2]))
        for way, each in counts.items()
    }


def _write(
    engine: Engine, way: Way, row: EvaluationRow, seed: int, temperature: float
) -> tuple[int, int, float]:
    """Write an answer: its tokens, the large model's passes, and seconds of the processor."""
    begun = time.process_time()
    made = engine.generate(_job(way.model, row, seed, temperature)).result()
    passes = sum(usage.calls for name, usage in made.usage.items() if name in ("B", "large"))
    return len(made.tokens) + 1, passes, time.process_time() - begun  # one for the end
