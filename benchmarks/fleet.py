"""A fleet on paper: how many GPUs a recipe needs for so many queries a second, and what they do.

    python benchmarks/fleet.py                       # the mission's recipe at 1,000 a second
    python benchmarks/fleet.py --markdown --rate 250 # the tables of docs/scale.md: minutes
    python benchmarks/fleet.py --rate 50 --gpu A100

Nothing is measured on a GPU: passes take what `fleet_roofline.py` says, and queues are those of
`fleet_queues.py`. The pool of A, B and C is one GPU a replica, and so is that of D.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import click
from fleet_queues import Fleet, Stage, percentile
from fleet_roofline import A100, H100, H200, LARGE, MEMBER

if TYPE_CHECKING:
    import random

GPUS = {"A100": A100, "H100": H100, "H200": H200}

SPAN = 1.3
"""Tokens of a span, which is one word."""

LONGEST = 4096
"""Tokens of the longest prompt and of the longest answer."""

WAIT, GROWTH = 1.0, 0.02
"""There are enough replicas where 95 of 100 queries wait at most so many seconds for one, and where
all but such a part of what comes in is answered meanwhile."""

STEP = 1.03
"""By how much a number of replicas is raised that is not enough."""

WARM = 0.6
"""The part of the simulated time that is not counted: the fleet fills."""

FUSED = {
    "span_fuse": ((SPAN + 1) / SPAN, 3.0),
    "token_fuse": (1.0, 1.0),
}
"""By the fuse of three members: passes of each for a token of the answer, and tokens it reads.

In a span fuse a member writes its own span, token by token, and reads those of the two others.
"""


@dataclass(frozen=True)
class Case:
    """What a fleet is asked, and of what it is made."""

    rate: float = 1000.0
    gpu: str = "H200"
    prompt: float = 300.0
    answer: float = 200.0
    share: float = 0.25
    rows: int = 256
    fuse: str = "span_fuse"
    head: float = 0.0047

    def lengths(self, rng: random.Random) -> tuple[int, int]:
        """Draw the tokens of a prompt and its answer: skewed, with the means of the case."""
        return tuple(_length(rng, mean) for mean in (self.prompt, self.answer))  # type: ignore[return-value]

    @property
    def stages(self) -> list[Stage]:
        """The two pools, with one replica each."""
        steps, width = FUSED[self.fuse]
        gpu = GPUS[self.gpu]
        group = Stage("A+B+C", gpu, MEMBER, 1, 3, steps, width, self.rows)
        return [group, Stage("D", gpu, LARGE, 1, rows=self.rows)]


def _length(rng: random.Random, mean: float) -> int:
    return min(max(1, round(rng.expovariate(1 / mean))), LONGEST)


def simulated(case: Case, replicas: list[int], seconds: float, heads: int) -> Fleet:
    """Simulate a case with so many replicas of each stage."""
    pairs = zip(case.stages, replicas, strict=True)
    stages = [replace(stage, replicas=count) for stage, count in pairs]
    fleet = Fleet(
        stages,
        case.rate,
        case.lengths,
        share=case.share,
        heads=heads,
        head_seconds=case.head,
    )
    fleet.run(seconds, warm=seconds * WARM)
    return fleet


def enough(case: Case, stage: Stage, rate: float, seconds: float) -> int:
    """Return the fewest replicas of a stage, alone, for which no queue builds up."""
    count = max(1, math.ceil(rate * stage.work(case.prompt, case.answer)))
    while not _serves(case, replace(stage, replicas=count), rate, seconds):
        count = max(count + 1, round(count * STEP))
    return count


def _serves(case: Case, stage: Stage, rate: float, seconds: float) -> bool:
    """Say whether a stage answers as much as it is asked, without a long wait."""
    fleet = Fleet([stage], rate, case.lengths)
    fleet.run(seconds, warm=seconds * WARM)
    asked = rate * seconds * (1 - WARM)
    grown = fleet.inside - fleet.inside_warm
    chance = 2 * math.sqrt(asked)
    return grown <= GROWTH * asked + chance and percentile(fleet.figures[0].waits, 0.95) <= WAIT


@dataclass(frozen=True)
class Sized:
    """A case with the fewest replicas that serve it, and their simulation."""

    case: Case
    replicas: list[int]
    heads: int
    fleet: Fleet
    seconds: float

    @classmethod
    def of(cls, case: Case, seconds: float) -> Sized:
        """Size a case stage by stage, then simulate it whole."""
        rates = [case.rate, case.rate * case.share]
        replicas = [enough(case, *pair, seconds) for pair in zip(case.stages, rates, strict=True)]
        heads = math.ceil(case.rate * case.head / 0.7)
        return cls(case, replicas, heads, simulated(case, replicas, seconds, heads), seconds)

    @property
    def gpus(self) -> int:
        """All GPUs."""
        return sum(self.replicas)


def pool_rows(sized: Sized) -> list[list[str]]:
    """Return what each pool does: a row a pool."""
    rows = []
    for stage, count, figures in zip(
        sized.fleet.stages, sized.replicas, sized.fleet.figures, strict=True
    ):
        window = sized.seconds * (1 - WARM) * count
        parts = [each / figures.busy for each in (figures.memory, figures.computing, figures.host)]
        rows.append(
            [
                stage.name,
                f"{count}",
                f"{figures.busy / window:.2f}",
                f"{figures.rows / figures.busy:.0f}",
                f"{1000 * figures.busy / figures.steps:.0f}",
                f"{percentile(figures.speeds, 0.5):.0f}",
                *(f"{part:.0%}" for part in parts),
            ]
        )
    return rows


POOL = [
    "pool", "GPUs", "busy", "rows", "ms a step", "tokens a second of an answer",
    "bound by memory", "bound by computing", "the host",
]  # fmt: skip
TOTAL = ["case", "GPUs", "A+B+C", "D", "heads", "seconds, median", "95 of 100 within"]

BASE = Case()
CASES = {
    "as above": BASE,
    "no query reaches D": replace(BASE, share=0.0001),
    "half of the queries reach D": replace(BASE, share=0.5),
    "all queries reach D": replace(BASE, share=1.0),
    "prompts of 1,000 tokens": replace(BASE, prompt=1000),
    "answers of 50 tokens": replace(BASE, answer=50),
    "answers of 500 tokens": replace(BASE, answer=500),
    "at most 16 rows": replace(BASE, rows=16),
    "at most 64 rows": replace(BASE, rows=64),
    "at most 1,024 rows": replace(BASE, rows=1024),
    "`token_fuse` in place of `span_fuse`": replace(BASE, fuse="token_fuse"),
    "H100": replace(BASE, gpu="H100"),
}


def total_row(name: str, sized: Sized) -> list[str]:
    """Return what a case needs, and how long a query takes."""
    times = [f"{percentile(sized.fleet.latencies, part):.1f}" for part in (0.5, 0.95)]
    return [name, f"{sized.gpus}", *map(str, sized.replicas), f"{sized.heads}", *times]


def table(head: list[str], rows: list[list[str]]) -> str:
    """Write a table of Markdown."""
    return "\n".join(map(line_of, [head, ["---"] * len(head), *rows]))


def line_of(cells: list[str]) -> str:
    """Write a line of a table."""
    return f"| {' | '.join(cells)} |"


@click.command()
@click.option("--rate", default=BASE.rate, show_default=True, help="Queries a second.")
@click.option("--gpu", type=click.Choice(list(GPUS)), default=BASE.gpu, show_default=True)
@click.option("--share", default=BASE.share, show_default=True, help="Part that reaches D.")
@click.option("--prompt", default=BASE.prompt, show_default=True, help="Mean tokens.")
@click.option("--answer", default=BASE.answer, show_default=True, help="Mean tokens.")
@click.option("--rows", default=BASE.rows, show_default=True, help="Answers a replica has at most.")
@click.option("--fuse", type=click.Choice(list(FUSED)), default=BASE.fuse, show_default=True)
@click.option("--head", default=BASE.head, show_default=True, help="Seconds of a head a query.")
@click.option("--seconds", default=150.0, show_default=True, help="Simulated time.")
@click.option("--markdown", is_flag=True, help="Print the tables of docs/scale.md.")
def main(*, markdown: bool, seconds: float, **case: object) -> None:
    """Size a fleet, and print what its pools do and how long queries take."""
    asked = Case(**case)  # type: ignore[arg-type]
    sized = Sized.of(asked, seconds)
    print(table(POOL, pool_rows(sized)), end="\n\n")
    if not markdown:
        print(table(TOTAL, [total_row("this case", sized)]))
        return
    print(table(TOTAL, []), flush=True)
    for name, each in CASES.items():
        one = Sized.of(replace(each, rate=asked.rate), seconds)
        print(line_of(total_row(name, one)), flush=True)


if __name__ == "__main__":
    main()
