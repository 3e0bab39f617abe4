"""Costs in a fit: which are known, what stands for the others, and what needs them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from composer.compiler.fits import choices_of
from composer.diagnostics import Diagnostic, Mistakes
from composer.heavy import np
from composer.methods.estimators.costs import (
    cost_lines,
    line_costs,
    unknown_cost_text,
    without_cost,
    without_gaps,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from composer.compiler.graph import Node
    from composer.fit.settings import FitSettings
    from composer.methods.estimators.folds import Split
    from composer.methods.estimators.values import Choice, Floats, Labels

_SHOWN = 3


def demand_route_costs(
    node: Node, means: Mapping[str, float | None], settings: FitSettings
) -> None:
    """Raise Mistakes (E511) where a policy, or the target, needs a cost that is not known."""
    policy, target = node.settled("policy"), settings.target
    if target is not None and target.what == "cost":
        need = "a target of cost"
    elif policy.needs_costs or (target is not None and policy.tunable == "cost"):
        need = f"`{policy.name}`"
    else:
        return
    if unknown := without_cost(choices_of(node), means):
        text, advice = unknown_cost_text(need, unknown)
        raise Mistakes([Diagnostic("E511", text, help=advice)])


def held_out_costs(labels: Labels, splits: Sequence[Split]) -> Floats:
    """Return the dollars of each row's answers [n, m], by lines that did not see its fold."""
    costs = np.full(labels.cost.shape, np.nan)
    for training, held_out in splits:
        lines = cost_lines(labels.take(training))
        costs[held_out] = line_costs(lines, labels.take(held_out).asked)
    return costs


def priced_labels(labels: Labels, choices: Sequence[Choice]) -> Labels:
    """Return labels with every cost that is known or can be estimated.

    A missing cost is estimated from the other rows, and without any, as `Choice.dollars` says.
    """
    filled = without_gaps(labels)
    guesses = np.array([choice.dollars for choice in choices])
    return replace(filled, cost=np.where(np.isnan(filled.cost), guesses, filled.cost))


def cost_notes(labels: Labels) -> Iterator[str]:
    """Say of which choices the data lack costs."""
    rows, known = len(labels.queries), (~np.isnan(labels.cost)).sum(0).tolist()
    if not any(known):
        yield "there are no costs"
        return
    counts = dict(zip(labels.names, known, strict=True))
    empty = [f"`{name}`" for name, count in counts.items() if not count]
    some = [f"`{name}` ({count})" for name, count in counts.items() if 0 < count < rows]
    if empty:
        yield f"no cost is known of {_listed(empty)}"
    if some:
        yield (
            f"costs are known of some of the {rows} rows only: {_listed(some)}; the others are "
            "estimated from the length of the query"
        )


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
