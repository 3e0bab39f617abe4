"""Models that are built of other models' files, beside those that are merged (`fusing.py`)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from composer.checkpoints.dtypes import Dtype, long_name
from composer.methods import Router
from composer.specs import Mixture
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
