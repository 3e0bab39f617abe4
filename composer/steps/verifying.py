"""Verifying: candidates are tried, and those that pass come first."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from composer.methods import Examples, PartError, Verifier
from composer.steps.declare import step
from composer.values import Asker, Candidates, Ranking
from composer.values.finite import descending

if TYPE_CHECKING:
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
    tried = [at for at, text in enumerate(answers.texts) if text.answer is not None]
    trials = await by.verify([answers.texts[at] for at in tried], ask) if tried else []
    scores = dict.fromkeys(range(len(answers.texts)), -1.0)
    scores |= {at: trial.score for at, trial in zip(tried, trials, strict=True)}
    passing = {at for at, trial in zip(tried, trials, strict=True) if trial.passed}
    names = answers.names
    pairs = list(zip(tried, trials, strict=True))
    ask.note(
        scores={names[at]: trial.score for at, trial in pairs},
        passed=[names[at] for at in sorted(passing)],
        rejected={names[at]: trial.why for at, trial in pairs if trial.why},
    )
    limits = {names[at]: trial.limit for at, trial in pairs if trial.limit}
    if limits:
        ask.note(limits=limits)
    standing = passing or _standing(otherwise, scores, tried)
    order = descending([scores[at] for at in range(len(scores))], "`verify`")
    texts = tuple(
        text if at in standing else replace(text, value=None, extracted=True)
        for at, text in enumerate(answers.texts)
    )
    shares = [max(scores[at], 0.0) for at in range(len(texts))]
    return replace(answers, texts=texts).ranked(order, shares)


@verify.counts
def all_of_them(site: Site) -> int | None:
    """As many as it is given."""
    return site.inputs[0].count


def _standing(otherwise: Otherwise, scores: dict[int, float], tried: list[int]) -> set[int]:
    """Return the candidates that stand where none passes."""
    if otherwise == "fail" or not tried:
        raise PartError(
            "E705",
            "no candidate passes what `verify` tries it by",
            "add a fallback: `([A, B] -> verify(otherwise = fail) -> best()) | D`",
        )
    if otherwise == "none":
        return set()
    best = max(scores[at] for at in tried)
    return {at for at in tried if otherwise == "all" or scores[at] == best}
