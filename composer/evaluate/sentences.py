"""What an evaluation found, in sentences: also, and first, where a recipe gains nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.diagnostics.amounts import cost_text, counted
from composer.evaluate.baselines import CHANCE, LENGTH, ZERO
from composer.evaluate.cells import interval_text, percent
from composer.evaluate.slices import compared_slices, lost
from composer.evaluate.sweep import APGR, GAIN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from composer.evaluate.decisions import Decided
    from composer.evaluate.equal import EqualCalls
    from composer.evaluate.report import Report
    from composer.evaluate.router import Against, Router
    from composer.evaluate.slices import Tagged
    from composer.evaluate.worth import Rival, Worth
    from composer.metrics import Interval

__all__ = ["between", "decided_remarks", "remarks", "unjudged", "verdict"]

NAMED = 5
"""How many slices are named at most."""

THAN = {
    CHANCE: "random choices with the same shares",
    LENGTH: "prompt length with the same shares",
    ZERO: "the zero-router at the same mean cost",
}


def remarks(report: Report) -> Iterator[str]:
    """Say what the numbers of a report leave out, and what they do not show."""
    if report.errors:
        count = "counts" if report.errors == 1 else "count"
        yield (
            f"{counted(report.errors, 'row')} failed and {count} as wrong. "
            f"The first is {report.failure}"
        )
        yield "Mean costs are those of the rows that were answered."
    if report.partial:
        told = ", ".join(f"{name} {count:,}" for name, count in report.failed_branches.items())
        yield (
            f"{counted(report.partial, 'row')} {'was' if report.partial == 1 else 'were'} answered "
            "without the branches that failed: "
            f"{told}."
        )
    if report.not_asked:
        yield (
            f"{counted(report.not_asked, 'row')} could not be asked, since the budget was spent, "
            "and did not count."
        )
    if report.ungraded:
        yield (
            f"{counted(report.ungraded, 'answer')} could not be graded and did not count. The "
            f"first is {report.ungraded_reason}."
        )
    yield from _tied(report)
    if report.judging.calls:
        yield (
            f"The judge took {counted(report.judging.calls, 'call')} and "
            f"{cost_text(report.judging.cost)}, which are not counted above."
        )
    if report.unpriced:
        mean = " In the first table such rows cost as much as the mean of the others."
        yield (
            f"The cost of {counted(report.unpriced, 'call')} is not known."
            f"{'' if report.estimated_cost is None else mean}"
        )
    yield from _origin(report)
    for one in (report.router, report.cascade):
        if one is not None:
            yield from router_remarks(one, report.overlap)
    if report.chooser is None and report.worth is not None:
        yield verdict(report.worth, report.overlap)
        yield from _rivals(report.worth)
    yield from _equal_calls(report.equal)
    yield from slice_remarks(report.tags, report.rows, report.best_member)


def decided_remarks(one: Decided) -> Iterator[str]:
    """Say what decisions would have given, where the data tell."""
    yield from _origin(one)
    if one.router is not None:
        yield from router_remarks(one.router, one.overlap)
        yield from slice_remarks(one.tags, one.router.rows, one.router.best)


def unjudged(one: Decided) -> str:
    """Say why decisions are not judged, and what would let them be."""
    if not one.lacks:
        return "The route can take several choices at once, so no choice is evaluated alone."
    shown = ", ".join(one.lacks[:NAMED]) + ", ..." * (len(one.lacks) > NAMED)
    return (
        "The data do not have the outcomes of all choices, so no choice is evaluated; missing: "
        f"{shown}. Record them (`correct` or `score`), or leave out `--route-only` to ask the "
        "models."
    )


def _tied(report: Report) -> Iterator[str]:
    """Say how often votes were tied, and what the recipe reaches whoever wins."""
    if report.ties is not None:
        rows, be = report.ties.rows, "was" if report.ties.rows == 1 else "were"
        mean = report.ties.accuracy
        yield (
            f"{counted(rows, 'row')} {be} tied, and one of the leading answers was taken. In "
            f"expectation over ties: {percent(mean.mean)} ({interval_text(mean)})."
        )


def _origin(one: Report | Decided) -> Iterator[str]:
    """Say that a route is measured on rows that it was fitted on, or far from all of them."""
    if one.overlap:
        yield (
            f"The {_fitted(one)} was fitted on {one.overlap:,} of these rows, so its figures here "
            "are too good. Evaluate it on other rows, or use the cross-validation of `compose fit`."
        )
    if one.foreign is not None and one.foreign.steps:
        for words in (one.foreign.sentence, one.foreign.advice):
            yield f"{words[0].upper()}{words[1:]}."


def _fitted(one: Report | Decided) -> str:
    """Name what decides: a cascade, or a route."""
    return "route" if one.chooser is None else one.chooser.kind


def router_remarks(router: Router, overlap: int = 0) -> Iterator[str]:
    """Say whether a router is worth more than what knows nothing of the query.

    `overlap` counts the rows that it was fitted on.
    """
    of_all = [one for one in router.against if one.measure == "accuracy"]
    if router.constant:
        chosen = max(router.shares, key=lambda name: router.shares[name])
        yield f"It chooses {chosen} for every query, so with this setting it decides nothing."
        of_all = of_all[:1] if chosen != router.best else []
    else:
        yield verdict(router.worth, overlap, router.kind)
    if router.unpriced:
        yield (
            f"The cost of {', '.join(router.unpriced)} is not known, so dollars are not compared. "
            "Record the `cost` of the answers, or declare a `price`, `[0, 0]` for a free model."
        )
    if router.filled:
        answers = counted(router.filled, "answer")
        yield (
            f"The cost of {answers} is not known; the mean of the choice's other answers stands "
            "for it."
        )
    for one in of_all:
        if one.than == ZERO and router.unit == "calls":
            continue  # without dollars the zero-router is the same as chance
        best = one.than == router.best
        than = f"the best single model, {one.than}" if best else THAN[one.than]
        yield _compared(than, one.difference) + (_at(router) if best else "")
    for one in router.against:
        if one.measure != "accuracy":
            yield _of_curve(one)


def verdict(worth: Worth, overlap: int = 0, kind: str = "route") -> str:
    """Say in one sentence or two whether a recipe is worth its cost.

    Figures on rows of the fit, `overlap` of them, are too good. They can only speak against it.
    """
    best, rival = worth.best, worth.dominating
    beside = f"{_quality(best)} {best.name}, the best single model{_times(best)}"
    if rival is not None:
        return (
            f"Verdict: not worth its cost. {rival.name} alone is better by "
            f"{-100 * rival.difference.mean:.1f} points and costs no more."
        )
    if overlap:
        return f"Verdict: none. A {kind} cannot be judged on rows that it was fitted on."
    if worth.place == "unknown":
        return f"Verdict: it is {beside}. Not all costs are known, so they do not count in this."
    if list(worth.mixture) == [best.name]:  # no mixture is as dear
        judged = (
            "better, but dearer" if worth.place == "front" else "not shown to be worth its cost"
        )
        return f"Verdict: {judged}. It is {beside}."
    if worth.place == "front":
        than = "and" if best.difference.low > 0 else "but"
        return (
            f"Verdict: worth its cost. It is {beside}, {than} better than any mixture of single "
            "models that costs the same."
        )
    judged = "not worth" if worth.place == "dominated" else "not shown to be worth"
    verb = "worse" if worth.place == "dominated" else "not surely better"
    return (
        f"Verdict: {judged} its cost. It is {beside}, and {verb} than {_mixture(worth.mixture)} at "
        "the same cost."
    )


def _quality(one: Rival) -> str:
    if one.difference.low > 0:
        return "better than"
    return "worse than" if one.difference.high < 0 else "not surely better or worse than"


def _times(one: Rival) -> str:
    return "" if one.ratio is None else f", at {one.ratio:.2f} times its cost"


def _mixture(mixture: Mapping[str, float]) -> str:
    """Write the zero-router: one model, or two with how often each is asked."""
    if len(mixture) == 1:
        return f"{next(iter(mixture))} alone"
    shares = " and ".join(f"{name} for {100 * share:.0f} %" for name, share in mixture.items())
    return f"asking {shares} of the rows at random"


def _rivals(worth: Worth) -> Iterator[str]:
    """Say how a recipe that chooses nothing compares with the best model and the zero-router."""
    best = worth.best
    yield _compared(f"the best single model, {best.name}", best.difference) + _cost(best.ratio)
    if worth.zero is not None and len(worth.mixture) > 1:
        yield _compared(THAN[ZERO], worth.zero.difference)


def _at_equal_calls(one: EqualCalls, difference: Interval) -> str:
    """Say how a recipe compares with its best member asked as often."""
    than = f"{one.member} alone at equal {one.budget}, {one.samples} samples and {one.then}"
    return _compared(than, difference) + (f" But {one.reason}." if one.reason else "")


def _equal_calls(several: Sequence[EqualCalls]) -> Iterator[str]:
    for each in several:
        if each.difference is not None:
            yield _at_equal_calls(each, each.difference)
    yield from _unmeasured([each for each in several if each.difference is None])


def _unmeasured(several: Sequence[EqualCalls]) -> Iterator[str]:
    """Say why it is not known what the best member alone would reach, asked as often."""
    for then in dict.fromkeys(each.then for each in several):
        first, *_ = alike = [each for each in several if each.then == then]
        budgets = " or ".join(f"equal {one.budget} ({one.wanted} samples)" for one in alike)
        yield (
            f"Not measured: {first.member} alone with {then}, at {budgets}: {first.reason}. So a "
            f"gain over {first.member} may come from more calls, not from the other members."
        )


def _cost(ratio: float | None) -> str:
    return "" if ratio is None else f" It costs {ratio:.2f} times as much."


def _at(router: Router) -> str:
    """Say what share of the best single model's cost the router's decisions have."""
    whole = router.singles[router.best].cost
    if router.unit == "calls" and whole:
        return f" It asks {router.best} for {100 * router.decided.cost / whole:.0f} % of the rows."
    return _cost(router.worth.best.ratio)


def _of_curve(one: Against) -> str:
    if one.measure == GAIN:
        return "Over its whole curve: " + _compared("the zero-router", one.difference, low=True)
    assert one.measure == APGR
    than = "chance" if one.than == CHANCE else one.than
    said = _numbers(one.difference, 1, "")
    return f"Over all thresholds: it {_verb(one.difference)} {than}: APGR {said}."


def _compared(than: str, difference: Interval, *, low: bool = False) -> str:
    it = "it" if low else "It"
    return f"{it} {_verb(difference)} {than}: {between(difference)}."


def _verb(difference: Interval) -> str:
    if difference.low > 0:
        return "beats"
    return "is worse than" if difference.high < 0 else "does not beat"


def between(difference: Interval) -> str:
    """Write a difference of qualities in points, with its interval."""
    return _numbers(difference, 100, " points")


def _numbers(one: Interval, scale: float, unit: str) -> str:
    digits = 1 if scale > 1 else 3
    mean, low, high = (f"{scale * each:+.{digits}f}" for each in (one.mean, one.low, one.high))
    return f"{mean}{unit} ({low} to {high}{'' if one.settled else ', not significant'})"


def slice_remarks(slices: Mapping[str, Tagged], rows: int, best: str | None) -> Iterator[str]:
    """Name the slices that fare worse than with the best single model."""
    compared = compared_slices(slices, rows)
    worse = lost(compared)
    if worse:
        shown = ", ".join(f"{tag} {between(each)}" for tag, each in worse[:NAMED])
        more = f", and {len(worse) - NAMED} more" if len(worse) > NAMED else ""
        tags = counted(len(compared), "tag")
        yield f"Worse than {best} on {len(worse)} of {tags}: {shown}{more}."
