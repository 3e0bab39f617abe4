"""Verifying: candidates are tried, and those that pass come first."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from composer.methods import Examples, PartError, Verifier
from composer.steps.declare import step
from composer.values import Asker, Candidates, Ranking
from composer.values.finite import descending

if TYPE_CHECKING:
    from collections.abc import Mapping

    from composer.methods.code.verifying import Trial
    from composer.steps.site import Site

Otherwise = Literal["closest", "all", "none", "fail"]
"""Which candidates stand where none passes."""


@step(paper="arXiv:2203.07814", selects=True, may_abstain=True)
async def verify(
    answers: Candidates,
    by: Verifier = Examples(),
    *,
    otherwise: Otherwise = "closest",
    ask: Asker,
) -> Ranking:
    """Try each candidate, such as its program by tests, and rank by the share that it passes.

    Those that do not pass abstain, so that a vote after it counts only those that do. Where none
    passes, `otherwise` says who stands: those that come `closest`, `all` of them, `none` (all
    abstain), or the step is to `fail`, so that `... | B` asks B. Candidates that abstained before
    are not tried, and come last.
    """
    places = [at for at, text in enumerate(answers.texts) if text.answer is not None]
    if not places:
        raise PartError(
            "E705",
            "there is nothing to verify: every answer abstained",
            "check what `extract` reads from the answers, or add a fallback: `(...) | D`",
        )
    results = await by.verify([answers.texts[at] for at in places], ask)
    trials = dict(zip(places, results, strict=True))
    names = answers.names
    ask.note(
        scores={names[at]: trial.score for at, trial in trials.items()},
        passed=[names[at] for at, trial in trials.items() if trial.passed],
        rejected={names[at]: trial.why for at, trial in trials.items() if trial.why},
    )
    limits = {names[at]: trial.limit for at, trial in trials.items() if trial.limit}
    if limits:
        ask.note(limits=limits)
    standing = _standing(trials, otherwise)
    ranks = [trials[at].score if at in trials else -1.0 for at in range(len(answers.texts))]
    texts = tuple(
        text if at in standing else replace(text, value=None, extracted=True)
        for at, text in enumerate(answers.texts)
    )
    shares = [max(rank, 0.0) for rank in ranks]
    return replace(answers, texts=texts).ranked(descending(ranks, "`verify`"), shares)


@verify.counts
def all_of_them(site: Site) -> int | None:
    """As many as it is given."""
    return site.inputs[0].count


def _standing(trials: Mapping[int, Trial], otherwise: Otherwise) -> set[int]:
    """Return the places of the candidates that pass, else of those that stand instead."""
    passing = {at for at, trial in trials.items() if trial.passed}
    if passing:
        return passing
    if otherwise == "fail":
        raise PartError(
            "E705",
            "no candidate passes what `verify` tries it by",
            "add a fallback: `([A, B] -> verify(otherwise = fail) -> best()) | D`",
        )
    if otherwise == "none":
        return set()
    best = max(trial.score for trial in trials.values())
    return {at for at, trial in trials.items() if otherwise == "all" or trial.score == best}
