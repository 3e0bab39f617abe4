"""How a token fuse combines the aligned distributions. The arithmetic is the fusion core's."""

from typing import ClassVar

from composer.ports import Typed


class Combine(Typed):
    """How the members' next-token distributions become one."""


class Mean(Combine):
    """Weighted mean of the probabilities: p = sum w_m p_m."""

    name: ClassVar[str] = "mean"
    paper: ClassVar[str] = "arXiv:2406.12585"


class Logs(Combine):
    """Weighted mean of the log-probabilities, renormalised: log p = sum w_m log p_m - log Z."""

    name: ClassVar[str] = "logs"
    paper: ClassVar[str] = "arXiv:2404.11531"
