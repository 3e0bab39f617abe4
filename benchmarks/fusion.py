"""What fusing costs beside the members' own forward passes, as a table of measures.

    python benchmarks/fusion.py [MEASURE...] [--markdown] [--blocks 9]

Members are random Llamas of hidden 256 and 4 layers (`synthetic.py`), on one thread; costs are CPU
seconds of the process for whole answers to prompts of 64 tokens, prompts included. Each measure
has `ours` and two denominators: `loop`, each member alone in a plain loop over `forward` with a
DynamicCache, and `alone`, each member alone in our own engine. They take turns in one process;
figures are medians over the blocks, with the second lowest and second highest block (of nine, a
96% interval of the median). New measures go into MEASURES.
"""

from __future__ import annotations

import argparse
import copy
import itertools
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import drafting
import gating
import synthetic
import torch

from composer.engine.engine import Engine
from composer.engine.rows.forward_arguments import cache_name
from composer.methods import Mean, Shared, Template, Union
from composer.methods.align.edits import Edits
from composer.methods.align.relative import Relative
from composer.methods.align.topk import TopK
from composer.specs import Declared, Prompted, TokenFuse
from composer.values import Completion, Generate, Query, Sampling

if TYPE_CHECKING:
    from collections.abc import Iterator

    from composer.engine.parts import Align
    from composer.engine.weights.local import LocalModel
    from composer.values import Model

Run = Callable[[], object]
Seconds = dict[str, float]

ROWS = 16
"""Rows of a static batch, and of the engine that it is compared with."""

SHARED, UNION = Shared(), Union()

LENGTHS = (
    *(11, 24, 9, 130, 17, 40, 8, 62, 14, 21, 96, 10, 33, 12, 19, 150),
    *(8, 28, 15, 47, 10, 180, 13, 22, 36, 9, 75, 18, 11, 26, 160, 12),
    *(16, 9, 54, 31, 12, 20, 110, 8, 14, 43, 10, 170, 25, 17, 11, 29),
    *(13, 88, 10, 19, 38, 8, 23, 140, 15, 12, 66, 9, 30, 21, 120, 14),
)
"""New tokens of 64 answers, skewed as answers are: most short, a few long in each batch."""


@dataclass(frozen=True)
class Trial:
    """Runs that take turns, and what their seconds amount to in one block."""

    runs: dict[str, Run]
    value: Callable[[Seconds], float]
    beside: Callable[[Seconds], float] | None = None
    note: str = ""


@dataclass(frozen=True)
class Measure:
    """A row of the table: `goal` is the most, or, where `at_least`, the least that will do.

    In a block the runs take turns `cycles` times: more of them make the interval narrower.
    """

    title: str
    goal: float | None
    trial: Callable[[Engine], Trial]
    at_least: bool = False
    rows: int = 64
    cycles: int = 1


def member(name: str, size: int, kind: int = 0, split: float = 0.0) -> Declared:
    """Make a model, and name it for an engine."""
    made = MODELS[name] = synthetic.llama(name, size, kind, split)
    PLAIN.setdefault(name, copy.deepcopy(made.module))
    return synthetic.checkpoint(name)


MODELS: dict[str, LocalModel] = {}
"""What engines load: the models made so far."""

PLAIN: dict[str, Any] = {}
"""The same models for plain loops: their weights lie in memory as transformers puts them."""


def pair(size: int, align: Align = UNION, split: float = 0.0) -> TokenFuse:
    """Fuse two members of unlike or, where they share, equal vocabularies."""
    kinds = (0, 0) if align == SHARED else (0, 1)
    members = [
        member(f"{letter}{size}-{kind}-{split}", size, kind, split if letter == "a" else 0.0)
        for letter, kind in zip("ab", kinds, strict=True)
    ]
    return TokenFuse(tuple(members), ("a", "b"), combine=Mean(), align=align)


def real_pair() -> TokenFuse:
    """Fuse two members with real tokenizers, llama2's and mistral's first one."""
    names = "llama2", "mistral-v1"
    for name, other in (names, names[::-1]):
        made = MODELS[name] = synthetic.real(name, other)
        PLAIN.setdefault(name, copy.deepcopy(made.module))
    members = tuple(map(synthetic.checkpoint, names))
    return TokenFuse(members, ("a", "b"), combine=Mean(), align=UNION)


def ask(engine: Engine, who: Model, lengths: Sequence[int], first: int = 0) -> list[Completion]:
    """Let one member write all answers, side by side, to prompts from the first one on."""
    jobs = [
        Generate(who, question(row), Sampling(max_tokens=length, temperature=0.0))
        for row, length in enumerate(lengths, first)
    ]
    futures = [engine.generate(job) for job in jobs]
    return [future.result() for future in futures]


def question(row: int) -> Query:
    """Write the question of one answer, with another one in a field."""
    return Query.of(synthetic.prompt(row), other=synthetic.prompt(row + 1000))


OTHER = Template(text="{{ fields.other }}")
"""What lets a member read the other question."""


@torch.inference_mode()
def loop(who: Declared, rows: int, count: int, template: Template | None = None) -> None:
    """Write greedily by the model's own forward pass, as lean as transformers allows."""
    from transformers import DynamicCache

    model = MODELS[who.name]
    asked = [question(row) for row in range(rows)]
    texts = [each.text if template is None else template.render(each) for each in asked]
    read = [model.render((("user", text),)) for text in texts]
    ids = torch.tensor([each[: min(map(len, read))] for each in read])  # without padding
    module = PLAIN.get(who.name, model.module)
    cache = {cache_name(module): DynamicCache(config=model.config)}
    for _ in range(count):
        out = module(ids, use_cache=True, logits_to_keep=1, **cache)
        ids = out.logits[:, -1].argmax(-1, keepdim=True)


@torch.inference_mode()
def static(who: Declared, lengths: Sequence[int]) -> None:
    """Write batch after batch by `generate()`, each up to its longest answer."""
    model = MODELS[who.name]
    for start in range(0, len(lengths), ROWS):
        some = range(start, min(start + ROWS, len(lengths)))
        ids = torch.tensor([model.render(question(row).messages) for row in some])
        most = max(lengths[row] for row in some)
        PLAIN[who.name].generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=most,
            do_sample=False,
            pad_token_id=0,
        )


def fused(fuse: Callable[[], TokenFuse], rows: int, count: int, engine: Engine) -> Trial:
    """Compare a fused answer with the sum of its members' own."""
    whole = fuse()
    alone = [m for m in whole.members if isinstance(m, Declared)]
    lengths = [count] * rows
    runs: dict[str, Run] = {
        "ours": lambda: ask(engine, whole, lengths),
        "loop": lambda: [loop(m, rows, count) for m in alone],
        "alone": lambda: [ask(engine, m, lengths) for m in alone],
    }
    return Trial(runs, ratio("loop"), ratio("alone"), _splits(engine, whole, lengths))


def fresh(fuse: Callable[[], TokenFuse], count: int, engine: Engine) -> Trial:
    """Compare a fused answer to a prompt that never came before with the sum of its members'."""
    whole = fuse()
    alone = [m for m in whole.members if isinstance(m, Declared)]
    prompts = itertools.count(10_000)
    runs: dict[str, Run] = {
        "ours": lambda: ask(engine, whole, [count], first=next(prompts)),
        "loop": lambda: [loop(m, 1, count) for m in alone],
        "alone": lambda: [ask(engine, m, [count]) for m in alone],
    }
    return Trial(runs, ratio("loop"), ratio("alone"))


def _splits(engine: Engine, whole: TokenFuse, lengths: Sequence[int]) -> str:
    """Say how many of the written tokens are several tokens of the second member."""
    last = whole.members[-1]
    assert isinstance(last, Declared)
    known = set(MODELS[last.name].vocabulary.ids)
    said = [token for answer in ask(engine, whole, lengths) for token in answer.tokens]
    split = sum(token.encode() not in known for token in said)
    return f"{100 * split / len(said):.0f}% split" if split else ""


def grown(engine: Engine) -> Trial:
    """Compare the cost of a token in long and short answers with the members' own growth."""
    whole = pair(32_000)
    alone = [m for m in whole.members if isinstance(m, Declared)]
    short, long = 32, 512
    runs: dict[str, Run] = {}
    for name, count in (("short", short), ("long", long)):
        runs[f"ours {name}"] = partial(ask, engine, whole, [count])
        runs[f"loop {name}"] = partial(_each, alone, count)
    growth = lambda took, who: took[f"{who} long"] / took[f"{who} short"]  # noqa: E731
    return Trial(runs, lambda took: growth(took, "ours") / growth(took, "loop"))


def _each(members: Sequence[Declared], count: int) -> None:
    for one in members:
        loop(one, 1, count)


def prompted(rows: int, engine: Engine) -> Trial:
    """Compare two prompts over one model with two separate runs."""
    one = member("a32000-0-0.0", 32_000)
    both = one, Prompted(one, OTHER)
    whole = TokenFuse(both, ("a", "b"), combine=Mean(), align=SHARED, together=True)
    count = 32
    runs: dict[str, Run] = {
        "ours": lambda: ask(engine, whole, [count] * rows),
        "loop": lambda: [loop(one, rows, count, each) for each in (None, OTHER)],
        "alone": lambda: [ask(engine, each, [count] * rows) for each in both],
    }
    return Trial(runs, ratio("loop"), ratio("alone"))


def continuous(engine: Engine) -> Trial:
    """Compare continuous with static batches: the part reached of the gain that lengths allow."""
    one = member("a32000-0-0.0", 32_000)
    batches = [LENGTHS[start : start + ROWS] for start in range(0, len(LENGTHS), ROWS)]
    allowed = sum(max(batch) for batch in batches) * ROWS / sum(LENGTHS)
    runs: dict[str, Run] = {
        "ours": lambda: ask(engine, one, LENGTHS),
        "static": lambda: static(one, LENGTHS),
    }
    return Trial(
        runs,
        lambda took: took["static"] / took["ours"] / allowed,
        note=f"allowed gain {allowed:.2f}",
    )


def drafted(share: float, engine: Engine) -> Trial:
    """Compare a fuse of equals with the same one drafted, which agrees on a share of tokens."""
    models, reached = drafting.agreeing(32_000, share)
    MODELS.update(models)
    plain, turns = drafting.fused(share), drafting.fused(share, drafting.drafted(1))
    lengths = [192] * 4
    both = zip(ask(engine, plain, lengths), ask(engine, turns, lengths), strict=True)
    alike = sum(one.text == other.text for one, other in both)
    runs: dict[str, Run] = {
        "ours": lambda: ask(engine, turns, lengths),
        "plain": lambda: ask(engine, plain, lengths),
    }
    note = f"{100 * reached:.0f}% agreed, {alike} of {len(lengths)} texts the same"
    return Trial(runs, lambda took: took["plain"] / took["ours"], note=note)


def gated(every: int, engine: Engine) -> Trial:
    """Compare a fuse whose gate opens at one in so many tokens with its first member alone."""
    gate = gating.Regular(every=every)
    whole = replace(pair(32_000), gate=gate, lazy=True)
    first = whole.members[0]
    assert isinstance(first, Declared)
    lengths = [100]
    runs: dict[str, Run] = {
        "ours": lambda: ask(engine, whole, lengths),
        "loop": lambda: loop(first, 1, lengths[0]),
        "alone": lambda: ask(engine, first, lengths),
    }
    passes = ask(engine, whole, lengths)[0].usage["b"].calls
    return Trial(runs, ratio("alone"), ratio("loop"), f"{passes} passes of the second member")


def ratio(to: str) -> Callable[[Seconds], float]:
    """Give what a block of ours costs beside another run of it."""
    return lambda took: took["ours"] / took[to]


UNION_32, UNION_150 = partial(pair, 32_000), partial(pair, 150_000)
SHARED_32 = partial(pair, 32_000, SHARED)
SPLIT_32 = partial(pair, 32_000, UNION, 0.67)
TOPK = TopK()
EDITS = Edits()
RELATIVE = Relative()
TOPK_32, TOPK_150 = partial(pair, 32_000, TOPK), partial(pair, 150_000, TOPK)
EDITS_32 = partial(pair, 32_000, EDITS)
RELATIVE_32, RELATIVE_150 = partial(pair, 32_000, RELATIVE), partial(pair, 150_000, RELATIVE)
MEASURES = {
    "union-32k-1": Measure(
        "union, V = 32k, batch 1", 1.05, partial(fused, UNION_32, 1, 48), cycles=4
    ),
    "union-150k-1": Measure(
        "union, V = 150k, batch 1", 1.05, partial(fused, UNION_150, 1, 24), cycles=4
    ),
    "union-32k-16": Measure(
        "union, V = 32k, batch 16", 1.10, partial(fused, UNION_32, 16, 24), cycles=3
    ),
    "union-150k-16": Measure(
        "union, V = 150k, batch 16", 1.10, partial(fused, UNION_150, 16, 12), cycles=2
    ),
    "shared-1": Measure(
        "shared tokenizer, 32k, batch 1", 1.02, partial(fused, SHARED_32, 1, 48), cycles=4
    ),
    "shared-16": Measure(
        "shared tokenizer, 32k, batch 16", 1.05, partial(fused, SHARED_32, 16, 24), cycles=3
    ),
    "real-1": Measure(
        "union, real tokenizers of 32k, batch 1", 1.05, partial(fused, real_pair, 1, 48), cycles=4
    ),
    "real-16": Measure(
        "union, real tokenizers of 32k, batch 16", 1.10, partial(fused, real_pair, 16, 24), cycles=3
    ),
    "topk-32k-1": Measure("top-k union, V = 32k, batch 1", 1.05, partial(fused, TOPK_32, 1, 48)),
    "topk-150k-16": Measure(
        "top-k union, V = 150k, batch 16", 1.10, partial(fused, TOPK_150, 16, 12)
    ),
    "edits-32k-1": Measure("edits, V = 32k, batch 1", None, partial(fused, EDITS_32, 1, 48)),
    "relative-32k-1": Measure(
        "relative, V = 32k, batch 1", 1.50, partial(fused, RELATIVE_32, 1, 48)
    ),
    "relative-32k-new": Measure(
        "relative, V = 32k, batch 1, prompts not seen before", 1.50, partial(fresh, RELATIVE_32, 48)
    ),
    "relative-150k-1": Measure(
        "relative, V = 150k, batch 1", 1.50, partial(fused, RELATIVE_150, 1, 24)
    ),
    "length": Measure("a token of 512 beside one of 32, less the members' growth", 1.05, grown),
    "split-1": Measure(
        "tokens split for one member, batch 1", 1.15, partial(fused, SPLIT_32, 1, 96)
    ),
    "split-4": Measure(
        "tokens split for one member, batch 4", 1.15, partial(fused, SPLIT_32, 4, 48)
    ),
    "gated": Measure(
        "gate open at one token in ten, beside the first member alone",
        1.25,
        partial(gated, 10),
        cycles=3,
    ),
    "prompts-1": Measure("two prompts over one model, batch 1", None, partial(prompted, 1)),
    "prompts-2": Measure("two prompts over one model, batch 2", 0.55, partial(prompted, 2)),
    "prompts-4": Measure("two prompts over one model, batch 4", 0.65, partial(prompted, 4)),
    "drafted-70": Measure(
        "drafts by turns, times faster than without, batch 4",
        1.15,
        partial(drafted, 0.7),
        at_least=True,
    ),
    "drafted-90": Measure(
        "drafts by turns, times faster than without, batch 4",
        1.35,
        partial(drafted, 0.9),
        at_least=True,
    ),
    "continuous": Measure(
        "continuous batching, part of the possible gain", 0.80, continuous, at_least=True, rows=ROWS
    ),
}


@dataclass(frozen=True)
class Figure:
    """A median over blocks, and an interval of it."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        """Write it as a table shows it."""
        return f"{self.median:.3f} [{self.low:.3f}, {self.high:.3f}]"


def measure(what: Measure, blocks: int) -> tuple[Figure, Figure | None, str]:
    """Run the blocks; give the figure, the one beside our own engine unfused, and a note."""
    with engine(what.rows) as made:
        trial = what.trial(made)
        took = [_block(trial, what.cycles if turn else 1) for turn in range(blocks + 1)][1:]
    beside = trial.beside and figure([trial.beside(each) for each in took])
    return figure([trial.value(each) for each in took]), beside, trial.note


@contextmanager
def engine(rows: int) -> Iterator[Engine]:
    """Open an engine that serves the models made here."""
    with Engine({"cpu": 1 << 40}, rows, lambda which, _: MODELS[which.name]) as made:
        yield made


def _block(trial: Trial, cycles: int) -> Seconds:
    """Time every run as often as there are cycles, each cycle beginning with another one."""
    names = list(trial.runs)
    took = dict.fromkeys(names, 0.0)
    for turn in range(cycles):
        start = turn % len(names)
        for name in (*names[start:], *names[:start]):
            began = time.process_time()
            trial.runs[name]()
            took[name] += time.process_time() - began
    return took


def figure(values: Sequence[float]) -> Figure:
    """Give the median, and the interval from the second lowest to the second highest."""
    ranked = sorted(values)
    edge = len(ranked) // 9
    return Figure(statistics.median(ranked), ranked[edge], ranked[-1 - edge])


def main() -> None:
    """Print a row for each measure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("measures", nargs="*", metavar="MEASURE", help=", ".join(MEASURES))
    parser.add_argument("--blocks", type=int, default=9)
    parser.add_argument("--markdown", action="store_true")
    options = parser.parse_args()
    unknown = set(options.measures) - set(MEASURES)
    if unknown:
        parser.error(f"no such measure: {', '.join(sorted(unknown))}")
    torch.set_num_threads(1)
    if options.markdown:
        print("| measure | goal | measured [interval] | ratio to our engine unfused | met |")
        print("|---|---|---|---|---|")
    for name in options.measures or MEASURES:
        if name.startswith("real") and not synthetic.TOKENIZERS.is_dir():
            print(f"{name}: {synthetic.TOKENIZERS} is not there")
            continue
        print(_line(name, MEASURES[name], options.blocks, markdown=options.markdown), flush=True)


def _line(name: str, what: Measure, blocks: int, *, markdown: bool) -> str:
    seen, beside, note = measure(what, blocks)
    title = f"{what.title} ({note})" if note else what.title
    goal = "-" if what.goal is None else f"{'≥' if what.at_least else '≤'} {what.goal:.2f}"
    met = "" if what.goal is None else _met(what, seen)
    if markdown:
        return f"| {title} | {goal} | {seen} | {beside or ''} | {met} |"
    return f"{name:<14} {goal:<7} {seen}  {beside or ''!s:<22} {met:<4} {title}"


def _met(what: Measure, seen: Figure) -> str:
    assert what.goal is not None
    return "yes" if (seen.median >= what.goal) == what.at_least else "no"


if __name__ == "__main__":
    main()
