"""What a signal is worth over all thresholds, with bootstrap intervals over rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from table_text import figure, resampled

from composer.metrics import full_apgr

if TYPE_CHECKING:
    from composer.methods.estimators.values import Floats

DRAWS = 500


def recovered(signal: Floats, weak: Floats, strong: Floats) -> str:
    """Write the APGR of a signal; where it is unknown the next stage is asked first of all."""
    doubt = np.where(np.isfinite(signal), -signal, np.inf)
    return figure(resampled(full_apgr, doubt, weak, strong, draws=DRAWS), ".3f")


def curve(signal: Floats, weak: Floats, strong: Floats) -> tuple[Floats, Floats]:
    """Return the shares that go on and the qualities, at every threshold, fewest first."""
    doubt = np.where(np.isfinite(signal), -signal, np.inf)
    cuts = [np.inf, *np.unique(doubt)[::-1]]
    going = [doubt > cuts[0], *(doubt >= cut for cut in cuts[1:])]
    share = np.array([each.mean() for each in going])
    return share, np.array([np.where(each, strong, weak).mean() for each in going])
