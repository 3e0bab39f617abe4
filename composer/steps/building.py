"""Models that are built of other models' files, beside those that are merged (`fusing.py`)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from composer.checkpoints.dtypes import Dtype, long_name
from composer.methods import LayerPath, Router
from composer.specs import Mixture, Stack
from composer.steps.declare import step
from composer.values import Model
from composer.values.flow import unique


@step(paper="arXiv:2401.04088", hidden=("names",))
def moe(
    *members: Model,
    gate: Router,
    top: Annotated[int, Field(ge=1)] = 2,
    base_expert: bool = True,
    shared: Literal["base", "mean"] = "base",
    dtype: Dtype = "auto",
    device: str = "auto",
    names: tuple[str, ...] = (),
) -> Mixture:
    """Make a mixture of experts of dense models: their MLPs, with a gate in each layer.

    At each token the `top` experts that the gate chooses are used, weighted with the softmax of its
    products with the hidden state; with `top = 1` the best expert alone, with weight 1. The first
    member is the base: all that is not in the MLPs is its own, or with `shared = mean` the mean of
    all members. Its MLPs are an expert too, unless `base_expert` is false. The members need one
    type (llama, mistral, qwen2 or qwen3), the same shapes and the same tokenizer. The model that is
    built is of the type mixtral, qwen2_moe or qwen3_moe. No gate is trained.
    """
    return Mixture(
        members,
        names or unique(member.name for member in members),
        gate,
        top,
        base_expert,
        shared=shared,
        dtype=long_name(dtype),
        device=device,
    )


@step(paper="arXiv:2403.13257", hidden=("names",))
def stack(
    *members: Model,
    layers: tuple[str, ...],
    order: LayerPath | None = None,
    dtype: Dtype = "auto",
    device: str = "auto",
    names: tuple[str, ...] = (),
) -> Stack:
    """Put layers of several models on one another.

    `layers` has a range for each member, from below: `"0-5"` are the layers 0 to 5, `"3"` is one
    layer. A member may stand there several times. The embeddings come from the first member, the
    last norm and the head from the last one, and all but the weights from the first. The members
    need layers of the same shapes and the same tokenizer. Nothing is trained, so most stacks write
    worse than their members; some do not (merges of this kind are called passthrough or
    frankenmerges). With `order = paths()`, `compose fit` searches which of these layers are kept.
    """
    return Stack(
        members,
        names or unique(member.name for member in members),
        layers,
        order,
        dtype=long_name(dtype),
        device=device,
    )
