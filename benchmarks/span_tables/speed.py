"""What a span fuse of three members costs beside the forward passes that it cannot do without.

Costs are processor seconds of the process for whole answers, prompts included, on one thread. The
ways take turns in one process; figures are medians of the blocks, with the lowest and the highest.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import synthetic
import torch
from fusion import Seconds, Trial, _block, figure
from table_text import markdown

from composer import zoo
from composer.backends.hf import HF
from composer.engine.engine import Engine
from composer.engine.weights.local import load
from composer.methods import MeanLogprob, Words
from composer.specs import Declared, SpanFuse
from composer.values import Generate, Query, Sampling
from span_tables._floor import cached, cached_with_our_output, prefilled, works

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from composer.engine.weights.local import LocalModel
    from composer.values import Completion

NAMES = "a", "b", "c"


@dataclass(frozen=True)
class Case:
    """Three members, and the answers that they write: `rows` side by side, `length` tokens each.

    With `again` they are compared with the way that reads all anew in each round.
    """

    members: str
    rows: int
    length: int
    blocks: int
    goal: float | None = None
    words: int = 4
    again: bool = False


CASES = (
    Case("wide", 1, 64, 3, goal=1.2),
    Case("wide", 1, 256, 1, goal=1.2),
    Case("wide", 1, 512, 1, goal=1.2),
    Case("wide", 8, 64, 2, goal=1.3),
    Case("wide", 8, 256, 1, goal=1.3),
    Case("wide", 8, 512, 1, goal=1.3),
    Case("stories", 1, 64, 3),
    Case("stories", 8, 64, 2),
    Case("zoo", 1, 32, 5),
    Case("zoo", 8, 32, 3),
    Case("wide", 1, 512, 1, goal=3.0, again=True),
)
HEAD = "members", "answers", "tokens", "goal", "ratio", "our output layer", "static batch", "met"
BESIDE = "own", "static"


def table(data: Path) -> str:
    """Return the table of costs."""
    torch.set_num_threads(1)
    rows = [_row(case, data) for case in CASES]
    return f"{markdown(HEAD, rows)}\n\nProcessor: {processor()}."


def processor() -> str:
    """Name the processor."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _row(case: Case, data: Path) -> list[str]:
    models = members(case.members, data)
    with Engine({"cpu": 1 << 40}, 64, lambda which, _: models[which.name]) as engine:
        trial = _trial(case, models, engine)
        took = [_block(trial, 1) for _ in range(case.blocks)]
    seen = figure([trial.value(each) for each in took])
    beside = [_beside(took, way) for way in BESIDE]
    title = f"{case.members}, all read anew" if case.again else case.members
    sign = "≥" if case.again else "≤"
    goal, met = "-", ""
    if case.goal is not None:
        goal = f"{sign} {case.goal:.1f}"
        met = "yes" if (seen.median >= case.goal) == case.again else "no"
    return [title, *map(str, (case.rows, case.length)), goal, str(seen), *beside, met]


def _beside(took: Sequence[Seconds], way: str) -> str:
    return str(figure([each["ours"] / each[way] for each in took])) if way in took[0] else ""


def members(kind: str, data: Path) -> dict[str, LocalModel]:
    """Return three models by name: random wide ones, those of the stories, or those of the zoo."""
    if kind == "wide":
        kinds = zip(NAMES, (0, 1, 0), strict=True)
        return {n: synthetic.llama(f"span-{n}", 32_000, which) for n, which in kinds}
    if kind == "stories":
        names = "stories260K", "stories260K-ft-gsm8k", "stories260K-ft-shakespeare"
        folders = [data / "models" / name for name in names]
    else:
        folders = [zoo.folder(name) for name in ("general-1", "general-2", "other")]
    pairs = zip(NAMES, folders, strict=True)
    return {name: load(Declared(name, HF(path=str(folder)))) for name, folder in pairs}


def _trial(case: Case, models: dict[str, LocalModel], engine: Engine) -> Trial:
    declared = tuple(map(synthetic.checkpoint, NAMES))
    fuse = SpanFuse(declared, NAMES, None, span=Words(n=case.words), score=MeanLogprob())
    ours = partial(write, engine, fuse, case)
    made = ours()
    asked = (("user", question(case, 0)),)

    def run(way: Callable[..., None], *, static: bool = False) -> None:
        for name, model in models.items():
            plan = works(made, name, model, looks_ahead=True, static=static)
            way(model, len(model.render(asked)), plan)

    if case.again:
        runs = {"ours": ours, "again": partial(run, prefilled)}
        return Trial(runs, lambda took: took["again"] / took["ours"])
    runs = {
        "ours": ours,
        "bare": partial(run, cached),
        "own": partial(run, cached_with_our_output),
        "static": partial(run, cached, static=True),
    }
    return Trial(runs, lambda took: took["ours"] / took["bare"])


def question(case: Case, row: int) -> str:
    """Return the prompt of a row."""
    if case.members == "wide":
        return synthetic.prompt(row)
    return ("Once upon a time", "Lily had a dog", "Tom said", "One day, the sun")[row % 4]


def write(engine: Engine, fuse: SpanFuse, case: Case) -> list[Completion]:
    """Write the answers side by side."""
    how = Sampling(max_tokens=case.length, temperature=0.0)
    jobs = [Generate(fuse, Query.of(question(case, row)), how) for row in range(case.rows)]
    return [future.result() for future in [engine.generate(job) for job in jobs]]
