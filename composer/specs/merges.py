"""Merges: models whose weights are a formula over the tensors of other models."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from math import isclose
from typing import TYPE_CHECKING, ClassVar, Literal

from composer.diagnostics.amounts import counted
from composer.specs.derived import Derived
from composer.specs.headers import TensorHeader
from composer.specs.problems import SpecProblem, normalized_weights, weight_problems
from composer.specs.shared_tokens import BY_TOKEN, SharedTokens, shared_tokens
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from composer.specs.parts import Coefficients, Edit, TensorPlace
    from composer.values.card import Card

__all__ = ["BLOCK", "Merge", "of_rows"]


BLOCK = 1 << 20
"""The numbers of a tensor that are merged at a time, where an edit allows it: they fit a cache."""


@dataclass(frozen=True)
class Merge(Derived):
    """A model made of its donors' weights, tensor by tensor.

    Factors are divided by their sum when `normalize`, and all alike if there are none; those of a
    formula are its coefficients, and not normalized. `by_tensor` gives other coefficients from
    tensor to tensor. The donors' tokenizers are the `same`, or the merge has the first one's
    (`base`), or all tokens (`union`). `subtracted` is a member that the formula subtracts from
    others, so that it is no sum of differences from the base.
    """

    word: ClassVar[str] = "merge"
    related: ClassVar[bool] = True

    factors: tuple[float, ...] | None
    edit: Edit
    normalize: bool = True
    by_tensor: Coefficients | None = None
    vocabulary: Literal["same", "base", "union"] = field(default="same", kw_only=True)
    subtracted: str | None = field(default=None, kw_only=True, compare=False)

    def option_problems(self) -> Iterator[SpecProblem]:
        """Yield why the weights or the edit cannot be used."""
        count = len(self.donors)
        wrong = [*weight_problems(self.factors, count, signed=True, normalized=self.normalize)]
        yield from wrong
        if self.edit.differences and (self.factors is None or self.normalize or count == 1):
            text = f"`{self.edit.name}` edits differences from a base, so it needs a formula"
            help_ = "write what is added to which base: `merge(base + 0.5 * (A - base), ...)`"
            yield SpecProblem("E403", text, help_, "needs a formula", field="edit")
        elif self.edit.differences and self.subtracted:
            base, odd = self.labels[0], self.subtracted
            text = (
                f"`{self.edit.name}` edits differences from `{base}`, the first model of the "
                f"formula, which also subtracts `{odd}`"
            )
            help_ = (
                f"write each term as a difference from `{base}`, such as "
                f"`- 0.5 * ({odd} - {base})`; or leave `edit` out"
            )
            yield SpecProblem("E403", text, help_, "needs differences from the base", field="edit")
        elif self.edit.members not in {None, count}:
            text = (
                f"`{self.edit.name}` merges {counted(self.edit.members or 0, 'model')}, and here "
                f"{'is' if count == 1 else 'are'} {count}"
            )
            help_ = f"nest it: `merge(merge(A, B, edit = {self.edit.name}()), C, ...)`"
            yield SpecProblem("E403", text, help_, "another number", field="edit")
        elif self.edit.affine and not wrong and not isclose(sum(self.coefficients), 1):
            text = (
                f"`{self.edit.name}` needs coefficients with the sum 1, and the sum is "
                f"{sum(self.coefficients):g}"
            )
            help_ = "write what is added to the first member: `merge(A + 0.5 * (B - A), ...)`"
            yield SpecProblem("E403", text, help_, "needs the sum 1", field="edit")
        if self.by_tensor is not None:
            yield from self.by_tensor.problems(self.edit, count, formula=self._is_formula)

    @property
    def _is_formula(self) -> bool:
        return self.factors is not None and not self.normalize

    def donor_problems(self) -> Iterator[SpecProblem]:
        """Yield which donors do not go together, or why their tokenizers are not joined."""
        wrong = [*super().donor_problems()]
        yield from wrong
        if not wrong:
            try:
                _ = self._shared_now
            except ModelError as error:
                text = error.message
                yield SpecProblem(error.code, text, error.help or "", field="vocabulary")

    def mismatches(
        self, tensors: Sequence[Mapping[str, TensorHeader]], vocabularies: Sequence[str | None]
    ) -> Iterator[SpecProblem]:
        """Yield which donors are unlike; their tokens may differ where they are joined."""
        if self.vocabulary == "same":
            yield from super().mismatches(tensors, vocabularies)
        else:
            widths = [of_rows(each, 0) for each in tensors]
            yield from self.unlike(widths, [None] * len(widths))

    def shared(
        self, folders: Sequence[Path], tensors: Sequence[Mapping[str, TensorHeader]]
    ) -> SharedTokens | None:
        """Return the vocabulary that the donors have together; None if it is the same.

        Raises ModelError (E306) where it cannot be written.
        """
        if self.vocabulary == "same":
            return None
        sizes = [max(_rows(each), default=0) for each in tensors]
        return shared_tokens(folders, sizes, self.vocabulary)

    @cached_property
    def _shared_now(self) -> SharedTokens | None:
        """Return the shared vocabulary as far as all donors are on this machine."""
        folders = [source.folder for source in self.sources]
        here = [each for each in folders if each and (each / "tokenizer.json").is_file()]
        if len(here) < len(folders):
            return None
        return self.shared(here, [source.tensors for source in self.sources])

    @property
    def tensors(self) -> Mapping[str, TensorHeader]:
        """The tensors to be built: with more rows where tokens come from several donors."""
        shared = self._shared_now
        return super().tensors if shared is None else of_rows(super().tensors, shared.size)

    @property
    def card(self) -> Card:
        """That of a derived model; a joined vocabulary is known when it is built."""
        card = super().card
        return card if self.vocabulary != "union" else replace(card, vocabulary=None)

    @property
    def making(self) -> tuple[object, ...]:
        """The edit and the coefficients."""
        own = () if self.vocabulary == "same" else (self.vocabulary,)
        return self.edit, self.coefficients, self.by_tensor, *own

    @property
    def coefficients(self) -> tuple[float, ...]:
        """What the donors' tensors are multiplied by, unless `by_tensor` says otherwise."""
        count = len(self.donors)
        return normalized_weights(
            self.factors or (1.0,) * count, count, normalize=self.normalize, signed=True
        )

    def coefficients_at(self, place: TensorPlace) -> Sequence[float]:
        """Return what the donors' tensors are multiplied by at one place."""
        if self.by_tensor is None:
            return self.coefficients
        return self.by_tensor.at(place, self.coefficients)

    @property
    def searched_edit(self) -> Edit:
        """The edit, with the options that were searched."""
        return self.edit if self.by_tensor is None else self.by_tensor.edit(self.edit)

    @property
    def at_once(self) -> int:
        """How many numbers of a tensor are merged at a time."""
        return min(super().at_once, BLOCK) if self.edit.elementwise else super().at_once

    def formula(self, names: Sequence[str]) -> str:
        """Write the sum that the weights are, by which edit and which coefficients."""
        pairs = list(zip(self.coefficients, names, strict=True))
        if self.edit.differences:
            base = names[0]
            terms = [base, *(_signed(by, f"({name} - {base})") for by, name in pairs[1:])]
        else:
            terms = [_signed(by, name) for by, name in pairs]
        total = " ".join(terms).removeprefix("+ ")
        if self.edit.name != "average":
            total = f"{self.edit.name}({total})"
        by = "" if self.by_tensor is None else f", coefficients by {self.by_tensor.name}"
        return total + by


def _signed(by: float, term: str) -> str:
    return f"{'-' if by < 0 else '+'} {abs(by):g} * {term}"


def _rows(tensors: Mapping[str, TensorHeader]) -> list[int]:
    """Return how many rows those tensors have that have one for each token."""
    return [each.shape[0] for name, each in tensors.items() if BY_TOKEN.search(name)]


def of_rows(tensors: Mapping[str, TensorHeader], rows: int) -> dict[str, TensorHeader]:
    """Return tensors with another number of rows where they have one for each token."""
    return {
        name: TensorHeader(each.dtype, (rows, *each.shape[1:]), each.bytes // each.shape[0] * rows)
        if BY_TOKEN.search(name)
        else each
        for name, each in tensors.items()
    }
