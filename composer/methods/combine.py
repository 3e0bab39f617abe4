"""How a token fuse combines the aligned distributions. The arithmetic is the fusion core's."""

from typing import ClassVar

from composer.specs.parts import Combine


class Mean(Combine):
    """Weighted mean of the probabilities: p = sum w_m p_m."""

    name: ClassVar[str] = "mean"
    paper: ClassVar[str] = "arXiv:2406.12585"
    where: ClassVar[str] = "composer.engine.combine:mean"
    pools: ClassVar[bool] = True


class Logs(Combine):
    """Weighted mean of the log-probabilities, renormalised: log p = sum w_m log p_m - log Z."""

    name: ClassVar[str] = "logs"
    paper: ClassVar[str] = "arXiv:2404.11531"
    where: ClassVar[str] = "composer.engine.combine:logs"
    signed: ClassVar[bool] = True
    pools: ClassVar[bool] = True


class Maximum(Combine):
    """The largest weighted probability, renormalised: tokens that any member finds likely."""

    name: ClassVar[str] = "maximum"
    paper: ClassVar[str] = "arXiv:2311.14479"
    where: ClassVar[str] = "composer.engine.combine:maximum"


class Minimum(Combine):
    """The smallest weighted probability, renormalised: tokens that all members find likely."""

    name: ClassVar[str] = "minimum"
    paper: ClassVar[str] = "arXiv:2311.14479"
    where: ClassVar[str] = "composer.engine.combine:minimum"
