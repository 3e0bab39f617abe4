"""Merging models: one set of weights out of several."""

from __future__ import annotations

from composer.checkpoints.dtypes import Dtype, long_name
from composer.methods import Average, Edit
from composer.specs import Derived
from composer.steps.declare import step
from composer.values import Model
from composer.values.flow import unique


@step(paper="arXiv:2203.05482", formula=True, hidden=("names",))
def merge(
    *members: Model,
    weights: tuple[float, ...] | None = None,
    edit: Edit = Average(),
    normalize: bool = True,
    dtype: Dtype = "auto",
    device: str = "auto",
    names: tuple[str, ...] = (),
) -> Derived:
    """Make one model out of the weights of several that were tuned from one base.

    With `weights`, or none of them, it is their mean, a model soup; a formula such as
    `base + 0.6 * (maths - base)` is task arithmetic (arXiv:2212.04089), not divided by the sum of
    its coefficients unless `normalize = true`. The members need the same shapes and the same
    tokenizer; everything but the weights comes from the first. The merge is built when it is
    first asked, and kept in the user's cache: `dtype` is how it is stored, by default as the first
    member is.
    """
    named = names or unique(member.name for member in members)
    return Derived(members, named, weights, edit, normalize, long_name(dtype), device)
