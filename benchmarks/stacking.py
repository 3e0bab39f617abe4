"""Two models of one shape: a step of both as one batched model, beside a step of each.

    python benchmarks/stacking.py [MEMBERS...] [--blocks 9] [--steps 12]

`MEMBERS` are names of the table SHAPES below, all by default; `7b-float32` and `7b-bfloat16` have
one layer and two, and take 4 GB. In a block, steps of one token for each row take turns; seconds
are of the processor, of one thread. Figures are medians over the blocks, with the second lowest and
second highest block (of three or fewer, the lowest and highest).
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING

import synthetic
import torch

from composer.backends.hf import HF
from composer.backends.zoo import Zoo
from composer.engine.rows.row import Feed
from composer.engine.rows.runner import Runner
from composer.engine.rows.stacked import StackedMembers
from composer.engine.weights.local import LocalModel, load
from composer.specs import Declared

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from composer.engine.rows.row import CacheRow

FOLDER = "../shared/data/models"
BATCHES = 1, 4, 16
CONTEXT = 64
"""Tokens that each row holds."""

Pair = tuple[LocalModel, LocalModel]


def zoo_pair() -> Pair:
    """Two models of the zoo, which ships with the package."""
    first, second = (load(Declared(n, Zoo(model=n))) for n in ("general-1", "maths"))
    return first, second


def stories_pair() -> Pair:
    """Two fine-tunes of one base of 260,000 parameters."""
    names = "stories260K-ft-gsm8k", "stories260K-ft-shakespeare"
    first, second = (load(Declared(n, HF(path=f"{FOLDER}/{n}"))) for n in names)
    return first, second


def random_pair(
    layers: int, sizes: dict[str, int], dtype: torch.dtype = torch.float32, kind: str = "Llama"
) -> Pair:
    """Two random models of a shape, Llamas by default, with a vocabulary of 32,000."""
    first, second = (_random(kind, layers, dtype, seed, sizes) for seed in (0, 1))
    return first, second


def _random(
    kind: str, layers: int, dtype: torch.dtype, seed: int, sizes: dict[str, int]
) -> LocalModel:
    import transformers

    whole = getattr(transformers, f"{kind}ForCausalLM")
    config = getattr(transformers, f"{kind}Config")(
        vocab_size=32_000,
        num_hidden_layers=layers,
        max_position_embeddings=1024,
        tie_word_embeddings=False,
        **sizes,
    )
    with torch.device("meta"):
        module = whole(config).to(dtype)
    tables = dict(whole(_tiny(config)).named_buffers())
    module = module.to_empty(device="cpu").eval().requires_grad_(requires_grad=False)
    dice = torch.Generator().manual_seed(seed)
    for tensor in module.parameters():
        tensor.uniform_(-0.03, 0.03, generator=dice) if tensor.ndim > 1 else tensor.fill_(1)
    for name, table in module.named_buffers():
        table.copy_(tables[name])
    return LocalModel(module, synthetic.tokenizer(32_000, 0), torch.device("cpu"), f"r{seed}")


def _tiny(config: object) -> object:
    """The same heads in a model without layers: it has the same tables of rotations."""
    tiny = copy.deepcopy(config)
    tiny.num_hidden_layers, tiny.vocab_size = 0, 8  # type: ignore[attr-defined]
    return tiny


def sizes(hidden: int, middle: int, heads: int, shared: int) -> dict[str, int]:
    """The options of a shape: its widths, its heads, and its heads of keys."""
    names = "hidden_size", "intermediate_size", "num_attention_heads", "num_key_value_heads"
    return dict(zip(names, (hidden, middle, heads, shared), strict=True))


QWEN3 = sizes(256, 688, 4, 4) | {"head_dim": 64}
"""A shape of another architecture, whose single tokens are read by its own code."""

LARGE = sizes(4096, 11008, 32, 32)
SHAPES: dict[str, tuple[Callable[[], Pair], tuple[int, ...]]] = {
    "zoo": (zoo_pair, BATCHES),
    "stories": (stories_pair, BATCHES),
    "hidden-256": (partial(random_pair, 4, sizes(256, 688, 4, 4)), BATCHES),
    "qwen3-256": (partial(random_pair, 4, QWEN3, kind="Qwen3"), BATCHES),
    "hidden-896": (partial(random_pair, 12, sizes(896, 4864, 14, 2)), BATCHES),
    "7b-float32": (partial(random_pair, 1, LARGE), (1,)),
    "7b-bfloat16": (partial(random_pair, 2, LARGE, torch.bfloat16), (1,)),
}


@torch.inference_mode()
def ratios(pair: Pair, batch: int, blocks: int, steps: int) -> tuple[list[float], list[float]]:
    """Return for each block how many times faster stacked steps are, and ms of a stacked step."""
    runners = [Runner(each) for each in pair]
    with ExitStack() as opened:
        rows = [opened.enter_context(filled(runner, batch)) for runner in runners]
        feeds = [[Feed(row, (5,), (0,)) for row in own] for own in rows]
        stack = StackedMembers(runners, batch)
        if stack.apart is not None:
            raise SystemExit(f"not stacked: {stack.apart}")

        def apart() -> None:
            for runner, own in zip(runners, feeds, strict=True):
                runner.forward(own)

        found, took = [], []
        for _ in range(blocks):
            seconds = turns((apart, partial(stack.forward, feeds)), rows, steps)
            found.append(seconds[0] / seconds[1])
            took.append(1e3 * seconds[1] / steps)
        return found, took


def turns(
    runs: tuple[Callable[[], object], ...], rows: list[list[CacheRow]], steps: int
) -> list[float]:
    """Return the processor's seconds of each run, taken by turns."""
    seconds = [0.0 for _ in runs]
    for _ in range(steps):
        for n, run in enumerate(runs):
            began = time.process_time()
            run()
            seconds[n] += time.process_time() - began
            for row in (each for own in rows for each in own):
                row.length = CONTEXT
    return seconds


@contextmanager
def filled(runner: Runner, batch: int) -> Iterator[list[CacheRow]]:
    """Open rows that have read a text."""
    rows = [runner.rows.allocate() for _ in range(batch)]
    runner.forward([Feed(row, [3 + n % 50 for n in range(CONTEXT)], (0,)) for row in rows])
    yield rows
    for row in reversed(rows):
        runner.rows.free(row)


def line(name: str, batch: int, found: list[float], took: list[float]) -> str:
    """Write a row of the table of docs/performance.md."""
    ordered = sorted(found)
    low, high = (ordered[1], ordered[-2]) if len(ordered) > 3 else (ordered[0], ordered[-1])
    middle = statistics.median(found)
    cells = name, batch, f"{statistics.median(took):.2f}", f"{middle:.2f} [{low:.2f}, {high:.2f}]"
    return f"| {' | '.join(map(str, cells))} |"


def main() -> None:
    """Print a line for each shape and batch."""
    parser = argparse.ArgumentParser()
    parser.add_argument("members", nargs="*", help=f"of {', '.join(SHAPES)}")
    parser.add_argument("--blocks", type=int, default=9)
    parser.add_argument("--steps", type=int, default=12)
    given = parser.parse_args()
    torch.set_num_threads(1)
    print("| members | rows of each | ms of a stacked step | times faster |\n|---|--:|--:|--:|")
    for name in given.members or SHAPES:
        make, batches = SHAPES[name]
        for batch in batches:
            found = ratios(make(), batch, given.blocks, given.steps)
            print(line(name, batch, *found), flush=True)


if __name__ == "__main__":
    main()
