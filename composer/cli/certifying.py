"""The options of `compose eval --certify`, and what they print."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from composer.cli.common import InputFile
from composer.cli.common import as_json as to_json
from composer.cli.terminal import out
from composer.diagnostics import did_you_mean
from composer.evaluate import certified, certify, shown
from composer.evaluate.grades import asked_grades
from composer.evaluate.selection import selection

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from composer.evaluate import Certificate, EvaluationRow, Grading
    from composer.recipe import Recipe
    from composer.run import Ensemble

__all__ = ["Certifying", "certify_options"]


@dataclass(frozen=True, slots=True)
class Certifying:
    """What a certificate is asked for with: see the options below."""

    margin: float | None
    audited: Path | None
    threshold: float | None

    def print(
        self,
        recipes: Sequence[Recipe],
        rows: Sequence[EvaluationRow],
        how: Grading,
        ready: Callable[[Recipe], Ensemble],
        *,
        as_json: bool,
    ) -> None:
        """Certify recipes and print the certificates; members without grades are asked."""
        mistakes = _ids(self.audited, rows)
        several = [self._certificate(one, rows, how, ready, mistakes) for one in recipes]
        if not as_json:
            out(shown(certified(several)), end="")
            return
        plain = [one.as_dict() for one in several]
        out(to_json(plain[0] if len(plain) == 1 else {"recipes": plain}), as_json=True)

    def _certificate(
        self,
        recipe: Recipe,
        rows: Sequence[EvaluationRow],
        how: Grading,
        ready: Callable[[Recipe], Ensemble],
        mistakes: frozenset[str],
    ) -> Certificate:
        grades = asked_grades(recipe, selection(recipe).members, rows, how, ready)
        margin = None if self.margin is None else self.margin / 100
        return certify(
            recipe, rows, grades, threshold=self.threshold, mistakes=mistakes, margin=margin
        )


def certify_options(function: Callable[..., object]) -> Callable[..., object]:
    """Add the options of certificates; the command is given them as `certifying`, None without."""

    @functools.wraps(function)
    def command(
        *,
        certify: bool,
        margin: float | None,
        audited: Path | None,
        threshold: float | None,
        **rest: object,
    ) -> object:
        options = {"--margin": margin, "--audited": audited, "--threshold": threshold}
        unused = [name for name, value in options.items() if value is not None]
        if unused and not certify:
            raise click.UsageError(f"{unused[0]} needs --certify")
        given = Certifying(margin, audited, threshold) if certify else None
        return function(certifying=given, **rest)

    for option in _OPTIONS:
        command = option(command)
    return command


_OPTIONS = (
    click.option(
        "--threshold",
        type=click.FloatRange(0, 1, min_open=True),
        metavar="SCORE",
        help="With --certify: scores from here on count as right.",
    ),
    click.option(
        "--audited",
        type=InputFile(),
        metavar="FILE",
        help="With --certify: ids, one a line, of rows whose grade or reference is wrong.",
    ),
    click.option(
        "--margin",
        type=click.FloatRange(min=0),
        metavar="POINTS",
        help="With --certify: the least gain in points that would be worth asking several.",
    ),
    click.option(
        "--certify",
        is_flag=True,
        help="Only bound what selecting among the members can gain, and list what all get wrong.",
    ),
)


def _ids(path: Path | None, rows: Sequence[EvaluationRow]) -> frozenset[str]:
    """Read the ids of audited rows, one a line; each must be one of the rows."""
    if path is None:
        return frozenset()
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    ids = [line.strip() for line in lines if line.strip()]
    known = {row.id for row in rows}
    for name in ids:
        if name not in known:
            advice = did_you_mean(name, known)
            raise click.UsageError(
                f"`{path}` names the row `{name}`, which the data lack: {advice}"
            )
    return frozenset(ids)
