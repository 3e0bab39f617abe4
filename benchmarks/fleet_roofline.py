"""What a pass takes on a GPU by its published figures: bytes over bandwidth, or FLOPs over speed.

No GPU is measured here. A pass reads the weights once and the caches of its rows, and computes two
FLOPs for each weight and token; the slower of both counts, and the host's work beside it.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["A100", "H100", "H200", "LARGE", "MEMBER", "NUMBER", "Gpu", "Pass", "Shape"]

NUMBER = 2
"""Bytes of a number in bfloat16."""


@dataclass(frozen=True)
class Gpu:
    """A GPU by its data sheet: bytes, bytes and dense bfloat16 FLOPs a second; what is reached."""

    name: str
    memory: float
    bandwidth: float
    flops: float
    reached_bandwidth: float = 0.8
    reached_flops: float = 0.5


A100 = Gpu("NVIDIA A100 SXM 80 GB", 80e9, 2.039e12, 312e12)
H100 = Gpu("NVIDIA H100 SXM", 80e9, 3.35e12, 989e12)
H200 = Gpu("NVIDIA H200 SXM", 141e9, 4.8e12, 989e12)


@dataclass(frozen=True)
class Shape:
    """A model by its config.json: parameters with and without the input embedding, and its cache.

    `cache` is the bytes of one token in a row's cache, `width` the numbers of a query of attention.
    """

    name: str
    parameters: float
    read: float
    layers: int
    width: int
    cache: float

    @property
    def bytes(self) -> float:
        """The bytes of the weights in memory."""
        return self.parameters * NUMBER


MEMBER = Shape("Qwen2.5-7B", 7.62e9, 7.07e9, 28, 3584, 28 * 2 * 4 * 128 * NUMBER)
LARGE = Shape("Qwen2.5-32B", 32.76e9, 31.98e9, 64, 5120, 64 * 2 * 8 * 128 * NUMBER)


@dataclass(frozen=True)
class Pass:
    """The seconds of one forward pass: of memory, of computing, and of the host."""

    memory: float
    computing: float
    host: float

    @classmethod
    def of(cls, gpu: Gpu, shape: Shape, tokens: float, context: float, host: float) -> Pass:
        """Return those of a pass over so many new tokens, whose rows hold `context` tokens."""
        bytes_ = shape.read * NUMBER + context * shape.cache
        rows_mean = context / tokens if tokens else 0.0
        attention = 4 * shape.layers * shape.width * rows_mean
        flops = (2 * shape.read + attention) * tokens
        memory = bytes_ / (gpu.bandwidth * gpu.reached_bandwidth)
        return cls(memory, flops / (gpu.flops * gpu.reached_flops), host)

    @property
    def seconds(self) -> float:
        """The slower of memory and computing, and the host."""
        return max(self.memory, self.computing) + self.host
