"""RouterEval's figures (arXiv:2503.10657): mu, V_R, V_B and E_p, beside the routers r_o(p)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.evaluate.benchmarks.figures import MAIN, Figures, Published, average
from composer.heavy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from composer.evaluate.benchmarks.run import BenchmarkRun

    Floats = NDArray[np.floating]

__all__ = ["entropy", "mixed_router", "routereval"]

REFERENCES = {
    "arc": 0.852,
    "hellaswag": 0.953,
    "mmlu": 0.864,
    "harness_truthfulqa_mc_0": 0.669,
    "winogrande": 0.875,
    "gsm8k": 0.92,
    "ifeval": 0.7689,
    "bbh": 0.8303,
    "gpqa": 0.397,
    "math": 0.4,
    "musr": 0.699,
    "mmlu_pro": 0.637,
}
"""What the reference model of the paper reaches on each data set, from the benchmark's code."""

NO_DATASET = (
    "Vr needs the data set's name, as the `dataset` of the JSON file, to know its reference."
)
ORACLE_SHARES = (0.0, 0.5, 1.0)
COLUMNS = {"mu": "number", "Vr": "number", "Vb": "number", "Ep": "number"}


def routereval(run: BenchmarkRun) -> Published:
    """Give mu, the mean score; Vr and Vb, mu over the reference's and over the best member's.

    Ep is the mean entropy, in bits, of the route's estimates, divided by their sum. r_o(p) takes
    the best answer with probability p, else any; its figures are expectations.
    """
    quality = {name: run.qualities(name) for name in run.alone}
    shared = [row.id for row in run.rows if all(row.id in each for each in quality.values())]
    scores = np.array([[each[row] for each in quality.values()] for row in shared])
    reference = next((REFERENCES.get(str(row.facts.get("dataset"))) for row in run.rows), None)
    best = float(scores.mean(axis=0).max()) if scores.size else None
    estimates = [[max(each, 0.0) for each in one.values()] for one in run.routed.estimates.values()]
    ours = average([run.quality[row] for row in shared if row in run.quality])
    bits = entropy(_shares(np.array(estimates))) if estimates else None
    figures: dict[str, tuple[float | None, float | None]] = {run.recipe: (ours, bits)}
    figures |= {name: (average([each[r] for r in shared]), 0.0) for name, each in quality.items()}
    if scores.size:
        figures |= {f"r_o({share:g})": mixed_router(scores, share) for share in ORACLE_SHARES}
    rows = {name: _row(mu, reference, best, ep) for name, (mu, ep) in figures.items()}
    notes = [] if reference else [NO_DATASET]
    notes += [] if estimates else ["Ep needs the estimates of a route."]
    return Published("RouterEval", (Figures(MAIN, COLUMNS, rows),), tuple(notes))


def _row(
    mu: float | None, reference: float | None, best: float | None, bits: float | None
) -> tuple[float | None, ...]:
    return (mu, *(mu / by if mu is not None and by else None for by in (reference, best)), bits)


def mixed_router(scores: Floats, share: float) -> tuple[float, float]:
    """Return mu and Ep of the router that takes the best answer with probability `share`.

    `scores` is [n, m]. The best answer's distribution over models is that of their scores, uniform
    where all are 0, as in RouterEval's code.
    """
    mu = share * scores.max(axis=1).mean() + (1 - share) * scores.mean()
    uniform = np.full(scores.shape, 1 / scores.shape[1])
    return float(mu), entropy(share * _shares(scores) + (1 - share) * uniform)


def _shares(values: Floats) -> Floats:
    """Divide each row by its sum; a row of zeros becomes uniform."""
    sums = values.sum(axis=1, keepdims=True)
    return np.where(sums > 0, values / np.where(sums > 0, sums, 1), 1 / values.shape[1])


def entropy(shares: Floats) -> float:
    """Return the mean entropy of the rows of shares, [n, m], in bits."""
    logs = np.log2(np.where(shares > 0, shares, 1))
    return float(-(shares * logs).sum(axis=1).mean())
