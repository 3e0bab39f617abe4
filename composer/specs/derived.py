"""Derived models: merges, whose weights are a formula over the tensors of other models."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import reduce
from operator import and_
from typing import TYPE_CHECKING, ClassVar

from composer.specs.declaration import Weights
from composer.specs.headers import TensorHeader
from composer.specs.models import Checkpoint, Prompted
from composer.specs.problems import SpecError, SpecProblem, normalized_weights, weight_problems
from composer.values.capability import Capability

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from composer.specs.parts import Edit
    from composer.values.card import Card
    from composer.values.flow import Model
    from composer.values.thinking import Thinking

__all__ = ["Derived", "merge_problems", "recast"]

SIZES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}
"""The types of numbers that are merged, and the bytes of one; other tensors are copied."""

NAMES = {"float32": "F32", "float16": "F16", "bfloat16": "BF16"}


@dataclass(frozen=True)
class Derived(Checkpoint):
    """A model made of its donors' weights, tensor by tensor; it is built when it is opened.

    Factors are divided by their sum when `normalize`, and all alike if there are none; those of a
    formula are its coefficients, and not normalized. With a `dtype` of `auto` each tensor is
    stored as the first donor's is, from which everything else comes as well.
    """

    word: ClassVar[str] = "merge"

    donors: tuple[Model, ...]
    labels: tuple[str, ...]
    factors: tuple[float, ...] | None
    edit: Edit
    normalize: bool = True
    dtype: str = "auto"
    device: str = "auto"

    def __post_init__(self) -> None:
        problems = list(self.problems())
        if problems:
            raise SpecError(problems)

    def problems(self) -> Iterator[SpecProblem]:
        """Yield all that is wrong: weights, then donors without any, then unlike ones."""
        if not self.donors:
            yield SpecProblem("E206", "a merge needs at least one member")
            return
        count = len(self.donors)
        wrong = [*weight_problems(self.factors, count, signed=True, normalized=self.normalize)]
        wrong += (problem for place in range(count) for problem in self._weightless(place))
        yield from wrong or self._unlike()

    def _weightless(self, place: int) -> Iterator[SpecProblem]:
        donor, needed = self.donors[place], Capability.WEIGHTS
        if isinstance(donor, Prompted):
            text = f"`{donor.name}` has a prompt, and a model with a prompt cannot be merged"
            help_ = "put the prompt before the merge: `prompt(...) -> merge(...)`"
            yield SpecProblem("E302", text, help_, "has a prompt", "merged here", member=place)
        elif not (
            isinstance(donor, Checkpoint) and donor.is_local and needed in donor.capabilities
        ):
            reasons = donor.card.why if isinstance(donor, Checkpoint) else {}
            yield SpecProblem(
                "E302",
                f"`{self.word}` needs {needed.words}, which `{donor.name}` does not give",
                "merge models whose weights are on this machine; for others, choose among whole "
                "answers: `[A, B] -> vote()`",
                reasons.get(needed, "is several models"),
                "merged here",
                member=place,
            )

    def _unlike(self) -> Iterator[SpecProblem]:
        vocabularies = [source.card.vocabulary for source in self.sources]
        tensors = [source.tensors for source in self.sources]
        yield from merge_problems(self.labels, tensors, vocabularies)

    @property
    def sources(self) -> tuple[Checkpoint, ...]:
        """The donors, all of which have weights of their own."""
        return tuple(each for each in self.donors if isinstance(each, Checkpoint))

    @property
    def name(self) -> str:
        """The merge as it is written, by the names of its donors."""
        return f"{self.word}({', '.join(self.labels)})"

    @property
    def coefficients(self) -> tuple[float, ...]:
        """What the donors' tensors are multiplied by."""
        count = len(self.donors)
        return normalized_weights(
            self.factors or (1.0,) * count, count, normalize=self.normalize, signed=True
        )

    def formula(self, names: Sequence[str]) -> str:
        """Write the sum that the weights are, with names for the donors."""
        pairs = zip(self.coefficients, names, strict=True)
        signed = [f"{'-' if by < 0 else '+'} {abs(by):g} * {name}" for by, name in pairs]
        return " ".join(signed).removeprefix("+ ")

    @property
    def card(self) -> Card:
        """The card of the first donor, without what another donor cannot do."""
        cards = [tensor.card for tensor in self.sources]
        capabilities = reduce(and_, (card.capabilities for card in cards))
        reasons = {flag: why for card in reversed(cards) for flag, why in card.why.items()}
        size = sum(tensor.bytes for tensor in self.tensors.values())
        counted = {
            "bytes": size,
            "parameters": sum(tensor.count for tensor in self.tensors.values()),
        }
        sizes = counted if self.tensors else {"bytes": None, "parameters": None}
        return replace(
            cards[0], capabilities=capabilities, why=reasons, price=None, deferred=(), **sizes
        )

    @property
    def identity(self) -> str:
        """The formula over the donors by path and revision, and how the weights are used."""
        first = self.sources[0].weights
        return f"{self._key}|{self.dtype}|{self.device}|{first.chat.content()}"

    @property
    def _key(self) -> str:
        keys = (f"{source.weights.key}@{source.weights.revision}" for source in self.sources)
        pairs = zip(self.coefficients, keys, strict=True)
        return f"merge:{self.edit!r}:" + "+".join(f"{by!r}*{key}" for by, key in pairs)

    @property
    def is_local(self) -> bool:
        """Whether the engine reads its weights: always."""
        return True

    @property
    def weights(self) -> Weights:
        """The weights to be built; until then the formula is their location."""
        first = self.sources[0].weights
        return Weights(
            self._key,
            self._key,
            dtype=self.dtype,
            device=self.device,
            chat=first.chat,
            processing=first.processing,
        )

    @property
    def folder(self) -> Path | None:
        """That of the first donor."""
        return self.sources[0].folder

    @property
    def thinking(self) -> Thinking | None:
        """That of the first donor."""
        return self.sources[0].thinking

    @property
    def tensors(self) -> Mapping[str, TensorHeader]:
        """The tensors to be built, from the headers of the first donor's files."""
        return recast(self.sources[0].tensors, self.dtype)

    @property
    def memory(self) -> int:
        """The bytes that building needs: the largest tensor of each donor, and their sum.

        The arithmetic is in float32.
        """
        largest = max((tensor.count for tensor in self.tensors.values()), default=0)
        return (len(self.donors) + 1) * largest * SIZES["F32"]


def recast(tensors: Mapping[str, TensorHeader], dtype: str) -> dict[str, TensorHeader]:
    """Return tensors as they are in another type of numbers; `auto` leaves each in its own."""
    kind = NAMES.get(dtype)
    return {
        name: tensor
        if kind is None or tensor.dtype not in SIZES
        else TensorHeader(kind, tensor.shape, tensor.count * SIZES[kind])
        for name, tensor in tensors.items()
    }


def merge_problems(
    names: tuple[str, ...],
    tensors: list[Mapping[str, TensorHeader]],
    vocabularies: list[str | None],
) -> Iterator[SpecProblem]:
    """Yield which donors are unlike the first: in their tensors, else in their tokenizer.

    Models that are not on this machine yet are checked when they are opened.
    """
    for place in range(1, len(names)):
        pair = f"`{names[0]}` and `{names[place]}`"
        difference = _difference(tensors[0], tensors[place])
        if difference and tensors[0] and tensors[place]:
            text = f"{pair} cannot be merged, because their weights are different: {difference}"
            help_ = (
                "merge models of one architecture and size; fuse others while they write: "
                "`token_fuse(..., align = union())`"
            )
            yield SpecProblem("E306", text, help_, "has other shapes", "merged here", member=place)
        elif len({vocabularies[0], vocabularies[place]} - {None}) > 1:
            text = f"{pair} cannot be merged, because their vocabularies are different"
            help_ = "merge models with one tokenizer; fuse others: `token_fuse(..., align = union)`"
            yield SpecProblem("E306", text, help_, "has other tokens", "merged here", member=place)


def _difference(first: Mapping[str, TensorHeader], second: Mapping[str, TensorHeader]) -> str:
    """Say in which tensor two models differ, if they do in any."""
    for name in (name for name in first if name in second):
        if first[name].shape != second[name].shape:
            first_shape, second_shape = (
                " x ".join(map(str, tensors[name].shape)) for tensors in (first, second)
            )
            return f"`{name}` is {first_shape} in one and {second_shape} in the other"
    lone_name = next(
        (name for name in (*first, *second) if (name in first) != (name in second)), None
    )
    return f"only one of them has `{lone_name}`" if lone_name else ""
