"""What a calibrated route gains on left-out rows over what knows nothing of the query."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from composer.fit.decisions import strongest
from composer.fit.validation import triple
from composer.heavy import np
from composer.metrics import difference_interval, mean_interval, mixture

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from composer.methods.estimators.values import Floats, Labels

BASELINES = {
    "over_single": "the best single choice, {single}",
    "over_last": "always the last stage",
    "over_length": "prompt length with the same shares",
    "over_zero": "the zero-router at the same mean cost",
    "over_probability": "one threshold on the probability of the answer at the same mean cost",
    "over_router": "a linear router of questions at the same mean cost",
}
"""What a route or a cascade is compared with, and how it is called."""


def gains(
    labels: Labels, chosen: NDArray[np.intp], halves: Iterable[NDArray[np.intp]], seed: int
) -> dict[str, list[float]]:
    """Return the quality of decisions on rows left out, and by how much it exceeds what is plain.

    `chosen` [n] are the choices by place. `over_single` is the paired gain over always asking the
    best single choice, `over_length` that over asking each choice as often in each half, the best
    for the longest prompts. Where costs are known `over_zero` is the gain over the mixture of
    single choices at the same mean cost (RouterBench's zero-router). Each value comes with its 95%
    interval; rows without the outcome of some choice are passed over.
    """
    rows = np.flatnonzero(~np.isnan(labels.quality).any(1))
    if not len(rows):
        return {}
    ours = labels.quality[rows, chosen[rows]].tolist()
    others = {
        "over_single": labels.quality[rows, strongest(labels)],
        "over_length": _by_length(labels, chosen, halves)[rows],
        "over_zero": _at_same_cost(labels, chosen, rows),
    }
    results = {"quality": mean_interval(ours, seed=seed)} | {
        name: difference_interval(ours, each.tolist(), seed=seed)
        for name, each in others.items()
        if each is not None
    }
    return {name: triple(each) for name, each in results.items()}


def verdict(report: Mapping[str, Any]) -> Iterator[str]:
    """Say whether the calibrated route beats each baseline, one sentence each."""
    differences = report.get("at_target", {})
    for name, words in BASELINES.items():
        if name in differences:
            than = words.format(single=report["single"]["name"])
            mean, low, high = differences[name]
            yield (
                f"at this setting it {_verb(differences[name])} {than}: {100 * mean:+.1f} points "
                f"({100 * low:+.1f} to {100 * high:+.1f})"
            )


def foreign_losses(report: Mapping[str, Any]) -> Iterator[str]:
    """Warn where the route falls behind the best single choice once whole tags are left out."""
    foreign = report.get("foreign_shrunk", report.get("foreign", {}))
    if "gain" in foreign and foreign["gain"][0] < 0:
        mean, low, high = foreign["gain"]
        yield (
            f"on held-out tags it is worse than always {report['single']['name']}: {mean:+.3f} "
            f"({low:+.3f} to {high:+.3f}); expect a loss on other subjects than those of the data"
        )


def _by_length(
    labels: Labels, chosen: NDArray[np.intp], halves: Iterable[NDArray[np.intp]]
) -> Floats:
    """Return the labels [n] of asking each choice as often, the shortest prompts the weakest."""
    order = np.argsort(np.nanmean(labels.quality, 0), kind="stable")
    lengths = np.array([len(query) for query in labels.queries])
    quality = np.full(len(lengths), np.nan)
    for rows in halves:
        counts = np.bincount(chosen[rows], minlength=len(labels.names))
        shortest = rows[np.argsort(lengths[rows], kind="stable")]
        quality[shortest] = labels.quality[shortest, np.repeat(order, counts[order])]
    return quality


def _at_same_cost(
    labels: Labels, chosen: NDArray[np.intp], rows: NDArray[np.intp]
) -> Floats | None:
    """Return the expected labels of the zero-router; None where the cost of a choice is unknown."""
    cost = labels.cost[rows]
    unknown = np.isnan(cost)
    if unknown.all(0).any():
        return None
    cost = np.where(unknown, np.nanmean(cost, 0), cost)
    if not cost.sum():
        return None
    quality, spent = labels.quality[rows], cost[np.arange(len(rows)), chosen[rows]].mean()
    expected: Floats = quality @ mixture(cost.mean(0), quality.mean(0), float(spent))
    return expected


def _verb(difference: Sequence[float]) -> str:
    _, low, high = (round(each, 9) for each in difference)
    if low > 0:
        return "beats"
    return "is worse than" if high < 0 else "does not beat"
