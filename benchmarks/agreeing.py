"""What agreeing on bytes costs: CPU time a token, over that of its members alone, one by one.

    python benchmarks/agreeing.py

Two random models over tokenizers of 32,000 made-up words, of which they share half: at nearly every
token none of 64 agree, and more are weighed up.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from composer.backends.hf import HF
from composer.engine.engine import Engine
from composer.specs import ByteFuse, Declared
from composer.values import Generate, Query, Sampling

sys.path.insert(0, str(Path(__file__).parent))

from synthetic import SHARPNESS, tokenizer

if TYPE_CHECKING:
    from composer.values import Model

WORDS, TOKENS, QUESTIONS = 32_000, 16, 6


def member(folder: Path, kind: int) -> Declared:
    """A random model over one of the made-up tokenizers, in a folder."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    where = folder / str(kind)
    tokenizer(WORDS, kind).save_pretrained(where)
    torch.manual_seed(kind)
    shape = {"hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 4}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=WORDS, num_attention_heads=4, **shape))
    with torch.no_grad():
        model.lm_head.weight.mul_(SHARPNESS)
    model.save_pretrained(where)
    return Declared(f"m{kind}", HF(path=str(where)))


def cost(engine: Engine, model: Model) -> float:
    """CPU milliseconds for each piece of the answers, one question after another."""
    written, began = 0, 0.0
    for n in range(QUESTIONS + 2):
        if n == 2:  # the first ones load and make tables
            written, began = 0, time.process_time()
        query = Query.of(" ".join(["bacado", "sutibe", "lo"] * (n % 4 + 2)))
        made = engine.generate(Generate(model, query, Sampling(max_tokens=TOKENS))).result()
        written += max(1, len(made.tokens))
    return 1000 * (time.process_time() - began) / written


def main() -> None:
    """Print the cost of each, and how many times that of both members it is."""
    import torch

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder, Engine() as engine:
        pair = tuple(member(Path(folder), kind) for kind in (0, 1))
        alone = sum(cost(engine, each) for each in pair)
        print(f"both members alone   {alone:7.2f} ms a token")
        for top, beam in ((64, 1), (512, 1), (64, 2), (64, 5)):
            spent = cost(engine, ByteFuse(pair, ("a", "b"), None, top, beam))
            print(
                f"top {top:4}, beam {beam}     {spent:7.2f} ms a piece   {spent / alone:5.2f} times"
            )


if __name__ == "__main__":
    main()
