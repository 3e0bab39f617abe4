"""What a calibrated route gains on left-out rows over the best single choice and over length."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from composer.fit.decisions import strongest
from composer.heavy import np
from composer.metrics import difference_interval, mean_interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from composer.methods.estimators.values import Floats, Labels
    from composer.metrics import Interval

PAIR = 2


def gains(
    labels: Labels, quality: Floats, share: Floats, halves: Iterable[NDArray[np.intp]], seed: int
) -> dict[str, list[float]]:
    """Return the quality of decisions on rows left out, and by how much it exceeds what is plain.

    `quality` and `share` [n] are the label of each row's choice, and whether that is the best
    single one. `over_single` is the paired gain over always asking that one; of two choices
    `over_length` is that over sending it the longest prompts, as many in each half. Each value
    comes with its 95% interval; rows without the outcome of some choice are passed over.
    """
    rows = np.flatnonzero(~np.isnan(labels.quality).any(1))
    if not len(rows):
        return {}
    ours = quality[rows].tolist()
    best = labels.quality[rows, strongest(labels)].tolist()
    results = {
        "quality": mean_interval(ours, seed=seed),
        "over_single": difference_interval(ours, best, seed=seed),
    }
    if len(labels.names) == PAIR:
        length = _by_length(labels, share, halves)[rows].tolist()
        results["over_length"] = difference_interval(ours, length, seed=seed)
    return {name: _triple(each) for name, each in results.items()}


def verdict(report: Mapping[str, Any]) -> Iterator[str]:
    """Say whether the calibrated route beats the best single choice and length, in a sentence."""
    differences = report.get("at_target", {})
    if "over_single" in differences:
        single = report["single"]["name"]
        sentence = f"at this setting it {_verb(differences['over_single'])} always {single}"
        if "over_length" in differences:
            length = "prompt length with the same shares"
            sentence += f", and it {_verb(differences['over_length'])} {length}"
        yield sentence


def foreign_losses(report: Mapping[str, Any]) -> Iterator[str]:
    """Warn where the route falls behind the best single choice once whole tags are left out."""
    foreign = report.get("foreign_shrunk", report.get("foreign", {}))
    if "gain" in foreign and foreign["gain"][0] < 0:
        mean, low, high = foreign["gain"]
        yield (
            f"on held-out tags it is worse than always {report['single']['name']}: {mean:+.3f} "
            f"({low:+.3f} to {high:+.3f}); expect a loss on other subjects than those of the data"
        )


def _by_length(labels: Labels, share: Floats, halves: Iterable[NDArray[np.intp]]) -> Floats:
    """Return the labels [n] of sending the longest prompts of each half to the strong choice."""
    strong = strongest(labels)
    lengths = np.array([len(query) for query in labels.queries])
    quality = labels.quality[:, 1 - strong].copy()
    for rows in halves:
        count = int(share[rows].sum())
        longest = rows[np.argsort(-lengths[rows], kind="stable")[:count]]
        quality[longest] = labels.quality[longest, strong]
    return quality


def _verb(difference: Sequence[float]) -> str:
    _, low, high = difference
    if low > 0:
        return "beats"
    return "is worse than" if high < 0 else "does not beat"


def _triple(interval: Interval) -> list[float]:
    return [round(value, 6) for value in (interval.mean, interval.low, interval.high)]
