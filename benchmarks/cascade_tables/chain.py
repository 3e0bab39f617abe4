"""Cascade routing, cascades, routers and mixtures on a chain of five recorded models."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from table_text import figure, markdown

from cascade_tables._curves import Curve, areas, policy_curve, singles, thresholds_curve
from cascade_tables._recorded import LLAMA, recorded_table
from composer.methods import Estimates, Knn, Linear, One
from composer.methods.estimators.ensembles import Forest
from composer.methods.policies.expecting import ExpectedBest
from composer.methods.post_hoc.estimator import PostHoc

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cascade_tables._curves import EstimatesOf
    from composer.methods.cascade_table import CascadeTable
    from composer.methods.estimators.base import Learned

CHAINS = {"mmlu, five Llamas": ("cascades_mmlu_llama", LLAMA)}
ROUTERS: dict[str, Learned] = {
    "router, `linear()`": Linear(),
    "router, `knn(k = 100)`": Knn(k=100),
    "router, `forest()`": Forest(),
}
HEAD = ("chain", "what decides", "area", "cascade routing is better by")


def table(data: Path) -> str:
    """Return the areas of all arms, and the paired lead of cascade routing over each."""
    return markdown(HEAD, [line for name in CHAINS for line in _lines(data, name)])


def _lines(data: Path, name: str) -> list[Sequence[str]]:
    file, models = CHAINS[name]
    train, test = (recorded_table(data, f"{file}_{part}", models) for part in ("train", "test"))
    alone = singles(test)
    arms = {arm: areas(curve, alone) for arm, curve in _arms(train, test).items()}
    arms["zero-router: hull of the single models"] = areas(alone, alone, hulled=True)
    first, last = np.argsort(alone.cost.mean(1), kind="stable")[[0, -1]]
    ends = Curve(alone.quality[[first, last]], alone.cost[[first, last]])
    arms["blind mixture of the cheapest and the dearest"] = areas(ends, alone)
    ours, *_ = arms.values()
    return [
        [
            name,
            arm,
            figure(area.interval, ".2f"),
            "" if area is ours else figure(ours.lead(area), "+.2f"),
        ]
        for arm, area in arms.items()
    ]


def _arms(train: CascadeTable, test: CascadeTable) -> dict[str, Curve]:
    """Return the curve of each arm, fitted on the training rows."""
    costs = train.cost.mean(0)
    after = _after(train, test)
    arms = {
        "cascade routing": policy_curve(test, after, lambda c: ExpectedBest(cost=c), costs),
        "the same, stages in their order": policy_curve(
            test, after, lambda c: ExpectedBest(cost=c, order="written"), costs
        ),
        "the same, one stage": policy_curve(
            test, after, lambda c: ExpectedBest(cost=c, most=1), costs
        ),
        "thresholds on `confidence`, best chains": thresholds_curve(train, test, "confidence"),
    }
    labels, asked = train.labels, test.labels.asked
    for name, router in ROUTERS.items():
        mean = router.predict(router.fit(labels, 0), asked).mean
        by_question = [Estimates(tuple(row)) for row in mean.tolist()]
        arms[name] = policy_curve(test, _once(by_question), lambda c: One(cost=c), costs)
    return arms


def _once(estimates: Sequence[Estimates]) -> EstimatesOf:
    """Return a router's estimates; after its choice has answered, that is taken."""

    def of(asked: frozenset[int]) -> Sequence[Estimates]:
        return [Estimates(each.quality, answered=asked) for each in estimates]

    return cache(of)


def _after(train: CascadeTable, test: CascadeTable) -> EstimatesOf:
    part = PostHoc()
    state = part.fit(train, 0)

    def of(asked: frozenset[int]) -> Sequence[Estimates]:
        cascades = [row.before(asked) for row in test.rows]
        return [replace(each, answered=asked) for each in part.estimates(state, cascades)]

    return cache(of)
