"""What is known of a mixture of experts from its headers: how many parameters a token uses."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from composer.specs.headers import TensorHeader

__all__ = ["active_parameters"]

COUNTS = ("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts")
USED = ("num_experts_per_tok", "num_experts_per_token", "moe_top_k", "moe_k", "top_k_experts")
"""What configurations call the number of experts, and the number that each token uses."""

EXPERT = re.compile(r"\.experts\.")
"""In the name of a tensor of one expert, or of all experts of a layer stacked."""


def active_parameters(
    config: Mapping[str, object], tensors: Mapping[str, TensorHeader]
) -> int | None:
    """Return how many parameters a token uses; None for a model without experts.

    All experts of a layer have one size. What is beside them, such as an expert that all tokens
    share, is counted whole.
    """
    count, used = (_stated(config, names) for names in (COUNTS, USED))
    experts = sum(each.count for name, each in tensors.items() if EXPERT.search(name))
    if not count or not used or not experts or used > count:
        return None
    rest = sum(each.count for each in tensors.values()) - experts
    return rest + experts * used // count


def _stated(config: Mapping[str, object], names: tuple[str, ...]) -> int | None:
    values = (config.get(name) for name in names)
    return next((value for value in values if type(value) is int), None)
