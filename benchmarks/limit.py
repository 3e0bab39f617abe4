"""How near a decode step comes to the speed at which memory can be read: batch 1 on a CPU.

    python benchmarks/limit.py [RUN...] [--threads 1] [--blocks 9] [--markdown] [--tiny]

A step reads each weight once, so it can be no faster than a matrix-vector product over as many
bytes. Models have the shape of Qwen2.5-0.5B and random weights in float32. `product` is one large
matrix, `layers` the products of the model's own layers, as the engine lays them, and nothing else.
`engine` is an answer of one model, `shared` and `union` one of two (the vocabularies are equal, or
share half of their tokens), `loop` a plain loop over transformers' `forward` with a DynamicCache
and with weights of its own. All take turns in one process; figures are medians over the blocks,
with the second lowest and second highest block. Three models take 6 GB.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import synthetic
import torch
from fusion import figure

from composer.engine.engine import Engine
from composer.engine.rows.forward_arguments import cache_name
from composer.engine.weights.local import LocalModel
from composer.methods import Mean, Shared, Union
from composer.specs import TokenFuse
from composer.values import Generate, Query, Sampling

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from composer.values import Model

RUNS = ("product", "layers", "engine", "shared", "union", "loop")


@dataclass(frozen=True)
class Shape:
    """The sizes of a model, the side of the one large matrix, and the tokens of an answer."""

    vocabulary: int
    hidden: int
    layers: int
    heads: int
    shared_heads: int
    intermediate: int
    side: int
    tokens: int


REAL = Shape(151_936, 896, 24, 14, 2, 4864, 11_585, 12)
TINY = Shape(32_000, 64, 2, 4, 2, 128, 256, 3)


class Limit:
    """Three models of one shape, and what is timed with them."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        words = [synthetic.tokenizer(shape.vocabulary, kind) for kind in (0, 1)]
        first, second, self._plain = (_module(shape, seed) for seed in range(3))
        cpu = torch.device("cpu")
        self.models = {
            "a": LocalModel(first, words[0], cpu, "a"),
            "b": LocalModel(second, words[0], cpu, "b"),
            "c": LocalModel(second, words[1], cpu, "c"),
        }
        self._matrix = torch.empty(shape.side, shape.side).uniform_(-1, 1)
        self._vector = torch.ones(shape.side)
        weights = {each.data_ptr(): each.nbytes for each in first.parameters()}
        self.bytes = sum(weights.values())
        """What a step of one model reads."""

    def runs(self, engine: Engine) -> dict[str, tuple[Callable[[], object], int]]:
        """Give what is timed, and how many bytes of weights it reads."""
        a, b, c = (synthetic.checkpoint(name) for name in "abc")
        shared = TokenFuse((a, b), ("a", "b"), combine=Mean(), align=Shared())
        union = TokenFuse((a, c), ("a", "c"), combine=Mean(), align=Union())
        steps, ask = self.shape.tokens, partial(self._ask, engine)
        return {
            "product": (self._product, steps * self.bytes),
            "layers": (self._layers, steps * self.bytes),
            "engine": (partial(ask, a), steps * self.bytes),
            "shared": (partial(ask, shared), 2 * steps * self.bytes),
            "union": (partial(ask, union), 2 * steps * self.bytes),
            "loop": (self._loop, steps * self.bytes),
        }

    def _ask(self, engine: Engine, who: Model) -> None:
        count = self.shape.tokens
        job = Generate(who, Query.of("ba"), Sampling(max_tokens=count, temperature=0.0))
        answer = engine.generate(job).result()
        assert len(answer.tokens) == count, "the members do not say the same words"

    @torch.inference_mode()
    def _product(self) -> None:
        """Multiply the large matrix so often that as many bytes are read."""
        for _ in range(round(self.shape.tokens * self.bytes / self._matrix.nbytes)):
            torch.mv(self._matrix, self._vector)

    @torch.inference_mode()
    def _layers(self) -> None:
        """Multiply each linear layer with one row."""
        module = self.models["a"].module
        layers = [each for each in module.modules() if isinstance(each, torch.nn.Linear)]
        rows = {width: torch.ones(1, 1, width) for width in {each.in_features for each in layers}}
        for _ in range(self.shape.tokens):
            for layer in layers:
                layer(rows[layer.in_features])

    @torch.inference_mode()
    def _loop(self) -> None:
        """Write greedily by the model's own forward pass, as lean as transformers allows."""
        from transformers import DynamicCache

        ids = torch.tensor([[1]])
        cache = {str(cache_name(self._plain)): DynamicCache(config=self._plain.config)}
        for _ in range(self.shape.tokens):
            out = self._plain(ids, use_cache=True, logits_to_keep=1, **cache)
            ids = out.logits[:, -1].argmax(-1, keepdim=True)


def _module(shape: Shape, seed: int) -> Any:  # noqa: ANN401 - of transformers, untyped
    """Make a random model with tied weights that says only words which both vocabularies have."""
    from transformers import Qwen2Config, Qwen2ForCausalLM

    config = Qwen2Config(
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden,
        intermediate_size=shape.intermediate,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.shared_heads,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=synthetic.tokenizer(shape.vocabulary, 0).eos_token_id,
    )
    torch.manual_seed(seed)
    module = Qwen2ForCausalLM(config).eval().requires_grad_(requires_grad=False)
    module.lm_head.weight.mul_(synthetic.said(shape.vocabulary, 0)[:, None])
    return module


def measured(
    limit: Limit, names: Sequence[str], threads: int, blocks: int
) -> dict[str, list[float]]:
    """Time runs by turns; give bytes a second, by run and block, after one that does not count."""
    torch.set_num_threads(threads)
    clock = time.process_time if threads == 1 else time.perf_counter
    speeds: dict[str, list[float]] = {name: [] for name in names}
    with Engine({"cpu": 1 << 40}, 4, lambda which, _: limit.models[which.name]) as engine:
        runs = limit.runs(engine)
        runs["engine"][0]()  # from here on its weights lie as the engine reads them
        for block in range(blocks + 1):
            for name in (*names[block % len(names) :], *names[: block % len(names)]):
                run, size = runs[name]
                began = clock()
                run()
                speeds[name].append(size / (clock() - began))
    return {name: values[1:] for name, values in speeds.items()}


def main() -> None:
    """Print a line for each run: bytes a second, and its part of the product's."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("runs", nargs="*", metavar="RUN", help=", ".join(RUNS))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--blocks", type=int, default=9)
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--tiny", action="store_true", help="tiny models, for a test")
    options = parser.parse_args()
    unknown = set(options.runs) - set(RUNS)
    if unknown:
        parser.error(f"no such run: {', '.join(sorted(unknown))}")
    names = ["product", *(name for name in options.runs or RUNS if name != "product")]
    limit = Limit(TINY if options.tiny else REAL)
    speeds = measured(limit, names, options.threads, options.blocks)
    cells = [("run", "GB/s", "part of the product [interval]"), ("---",) * 3]
    cells = cells if options.markdown else cells[:1]
    for name, values in speeds.items():
        share = figure([v / whole for v, whole in zip(values, speeds["product"], strict=True)])
        cells.append((name, f"{figure(values).median / 1e9:.1f}", str(share)))
    for row in cells:
        print(f"| {' | '.join(row)} |" if options.markdown else "{:<10} {:>6}  {}".format(*row))


if __name__ == "__main__":
    main()
