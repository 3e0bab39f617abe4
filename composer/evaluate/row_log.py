"""The file of `eval --output`: a line for each row and recipe, from which a second run goes on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from composer.evaluate.log_rows import decision_row, restored, result_row
from composer.run import Failure
from composer.run.output_file import ELSEWHERE, OutputFile
from composer.run.queries import digest_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from composer.evaluate.decisions import Decided
    from composer.evaluate.graded import GradedResult
    from composer.evaluate.grading import Grading
    from composer.evaluate.log_rows import LoneAnswers
    from composer.evaluate.rows import EvaluationRow
    from composer.recipe import Recipe

__all__ = ["RowLog"]

DECISIONS = "decision:"
"""How the mark of a row begins that `--route-only` wrote."""


@dataclass(eq=False)
class RowLog(OutputFile):
    """An output file of evaluated rows. `recipes` are those of this evaluation by fingerprint.

    Opening it drops a line that was torn off and rows that ended in an error. A row of an earlier
    version of a recipe, of another question or of another grader is refused (E706).
    """

    recipes: Mapping[str, str] = field(default_factory=dict)
    _kept: dict[str, dict[str, Any]] = field(default_factory=dict, repr=False)

    def missing(
        self, recipe: Recipe, rows: Iterable[EvaluationRow], how: Grading
    ) -> list[EvaluationRow]:
        """Return the rows to which the file has no answer of a recipe yet; raises Failure."""
        return [row for row in rows if self._known(recipe, row, how) is None]

    def answered(
        self, recipe: Recipe, rows: Iterable[EvaluationRow], how: Grading
    ) -> dict[str, tuple[GradedResult, LoneAnswers]]:
        """Return by id what the file has of a recipe, with the answers of members alone."""
        kept = ((row, self._known(recipe, row, how)) for row in rows)
        return {row.id: restored(row, found) for row, found in kept if found is not None}

    def write_result(
        self, recipe: Recipe, row: EvaluationRow, graded: GradedResult, how: Grading
    ) -> None:
        """Append what a recipe answered to a row; it is in the file when this returns."""
        self._file.write(result_row(recipe, row, graded, how) | self._marks(recipe, row, how))

    def write_decisions(
        self, recipe: Recipe, rows: Sequence[EvaluationRow], decided: Decided, how: Grading
    ) -> None:
        """Append the decisions that the file does not have yet."""
        for row in rows:
            if self._known(recipe, row, how, DECISIONS) is None:
                content = decision_row(recipe, row, decided, how)
                self._file.write(content | self._marks(recipe, row, how, DECISIONS))

    def _marks(
        self, recipe: Recipe, row: EvaluationRow, how: Grading, mode: str = ""
    ) -> dict[str, str]:
        return {
            "fingerprint": recipe.fingerprint,
            "asked": digest_of(row.question()),
            "graded": mode + how.identity_of(row),
        }

    def _known(
        self, recipe: Recipe, row: EvaluationRow, how: Grading, mode: str = ""
    ) -> dict[str, Any] | None:
        """Return the line of a row, if the file has it; raises Failure where it is another."""
        line = self._kept.get(_key(recipe.fingerprint, row.id))
        if line is None:
            return None
        marks = self._marks(recipe, row, how, mode)
        if line.get("asked") != marks["asked"]:
            what = "another question, or other fields of it"
        elif line.get("graded") != marks["graded"]:
            what = "another grader, another reference, or only its decision"
        else:
            return line
        text = f"{self.path} already has the row {row.id!r} of {recipe.name}, with {what}"
        raise Failure("E706", text, ELSEWHERE)

    def _row(self, line: bytes, number: int) -> dict[str, object]:
        row = super()._row(line, number)
        made_by, name = str(row.get("fingerprint")), row.get("recipe")
        if made_by not in self.recipes and name in self.recipes.values():
            text = (
                f"{self.path}, line {number}, was written by an earlier version of {name}, or "
                "with other settings or another seed"
            )
            raise Failure("E706", text, f"{ELSEWHERE}; nothing was overwritten")
        if "fingerprint" not in row:
            text = f"{self.path}, line {number}, is not a row of an evaluation"
            raise Failure("E706", text, "give another `--output`; nothing was overwritten")
        key = _key(made_by, str(row["id"]))
        if row.get("error") is None:
            self._kept.setdefault(key, dict(row))
        return {**row, "id": key}


def _key(fingerprint: str, name: str) -> str:
    return f"{fingerprint} {name}"
