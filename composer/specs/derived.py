"""Derived models: their weights are made of the files of other models."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import and_
from typing import TYPE_CHECKING, ClassVar

from composer.specs.declaration import Remote, Weights
from composer.specs.headers import TensorHeader
from composer.specs.models import Checkpoint, Declared, Prompted
from composer.specs.problems import SpecError, SpecProblem
from composer.values.capability import Capability
from composer.values.fitted import Trainable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from composer.values.card import Card
    from composer.values.flow import Model
    from composer.values.thinking import Thinking

__all__ = ["SIZES", "Derived", "Trained", "recast"]

SIZES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}
"""The types of numbers that are merged, and the bytes of one; other tensors are copied."""

STATES = 16
"""The bytes that training needs for each number: itself, its gradient, and AdamW's two means."""

NAMES = {"float32": "F32", "float16": "F16", "bfloat16": "BF16"}


@dataclass(frozen=True)
class Derived(Checkpoint):
    """A model made of the files of its donors; it is built when it is first opened.

    A subclass says how, and a function of `composer.engine.weights` does it; one that is `trained`
    is built by `compose build` alone, since that takes long. With a `dtype` of `auto` each tensor
    is stored as it is in the donor that it comes from. Everything but the weights comes from the
    first donor.
    """

    word: ClassVar[str] = ""
    together: ClassVar[str] = "merged"
    """What is done to its donors, as errors say it."""
    trained: ClassVar[bool] = False
    related: ClassVar[bool] = False
    """Whether its donors must descend from one model."""

    donors: tuple[Model, ...]
    labels: tuple[str, ...]
    dtype: str = field(default="auto", kw_only=True)
    device: str = field(default="auto", kw_only=True)

    def __post_init__(self) -> None:
        problems = list(self.problems())
        if problems:
            raise SpecError(problems)

    @property
    @abstractmethod
    def making(self) -> tuple[object, ...]:
        """What the weights depend on besides the donors and `dtype`: values, and parts."""

    @abstractmethod
    def formula(self, names: Sequence[str]) -> str:
        """Say in a plan how the weights are made, with names for the donors."""

    def problems(self) -> Iterator[SpecProblem]:
        """Yield all that is wrong: options, then donors without weights, then unlike ones."""
        if not self.donors:
            yield SpecProblem("E206", f"a {self.word} needs at least one member")
            return
        wrong = [*self.option_problems()]
        places = range(len(self.donors))
        wrong += (problem for place in places for problem in self._weightless(place))
        yield from wrong or self.donor_problems()

    def option_problems(self) -> Iterator[SpecProblem]:
        """Yield what is wrong with the options: by default nothing."""
        return iter(())

    def donor_problems(self) -> Iterator[SpecProblem]:
        """Yield which donors do not go together, as far as is known before they are opened."""
        vocabularies = [source.card.vocabulary for source in self.sources]
        yield from self.mismatches([source.tensors for source in self.sources], vocabularies)

    def mismatches(
        self, tensors: Sequence[Mapping[str, TensorHeader]], vocabularies: Sequence[str | None]
    ) -> Iterator[SpecProblem]:
        """Yield which donors do not go together, by their headers and the digests of tokenizers.

        By default, those that are unlike the first. There are no headers of a model that is not on
        this machine yet.
        """
        yield from self.unlike(tensors, vocabularies)

    def unlike(
        self, tensors: Sequence[Mapping[str, TensorHeader]], vocabularies: Sequence[str | None]
    ) -> Iterator[SpecProblem]:
        """Yield which donors are unlike the first: in their tensors, else in their tokenizer.

        Models that are not on this machine yet are checked when they are opened.
        """
        for place in range(1, len(tensors)):
            difference = _difference(tensors[0], tensors[place])
            if difference and tensors[0] and tensors[place]:
                yield self._unlike(place, f"weights are different: {difference}", "shapes")
            elif len({vocabularies[0], vocabularies[place]} - {None}) > 1:
                yield self._unlike(place, "vocabularies are different", "tokens")

    def _unlike(self, place: int, reason: str, other: str) -> SpecProblem:
        pair = f"`{self.labels[0]}` and `{self.labels[place]}`"
        text = f"{pair} cannot be {self.together}, because their {reason}"
        kind = {"shapes": "of one architecture and size", "tokens": "with one tokenizer"}[other]
        others = "fuse others while they write: `token_fuse(..., align = union())`"
        label, note = f"has other {other}", f"{self.together} here"
        return SpecProblem("E306", text, f"use models {kind}; {others}", label, note, member=place)

    def _weightless(self, place: int) -> Iterator[SpecProblem]:
        donor, needed = self.donors[place], Capability.WEIGHTS
        if isinstance(donor, Prompted):
            text = f"`{donor.name}` has a prompt, and `{self.word}` takes models without one"
            help_ = f"put the prompt before it: `prompt(...) -> {self.word}(...)`"
            yield SpecProblem("E302", text, help_, "has a prompt", "used here", member=place)
        elif not (isinstance(donor, Checkpoint) and needed in donor.capabilities):
            reasons = donor.card.why if isinstance(donor, Checkpoint) else {}
            yield SpecProblem(
                "E302",
                f"`{self.word}` needs {needed.words}, which `{donor.name}` does not give",
                "use models whose weights are on this machine; for others, choose among whole "
                "answers: `[A, B] -> vote()`",
                reasons.get(needed, "is several models"),
                "used here",
                member=place,
            )

    @property
    def sources(self) -> tuple[Checkpoint, ...]:
        """The donors, all of which have weights of their own."""
        return tuple(each for each in self.donors if isinstance(each, Checkpoint))

    @property
    def name(self) -> str:
        """The model as it is written, by the names of its donors."""
        return f"{self.word}({', '.join(self.labels)})"

    @property
    def card(self) -> Card:
        """The card of the first donor, without what another donor cannot do."""
        cards = [source.card for source in self.sources]
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
        """How it is made of its donors, by path and revision, and how the weights are used."""
        first = self.sources[0].weights
        return f"{self.key}|{self.dtype}|{self.device}|{first.chat.content()}"

    @property
    def key(self) -> str:
        """How it is made, and of which donors, by path and revision."""
        keys = [source.weights.content_key for source in self.sources]
        made = [_stated(value) for value in self.making]
        return f"{self.word}:{','.join(made)}:{'+'.join(keys)}"

    @property
    def is_local(self) -> bool:
        """Whether the engine reads its weights, and no client."""
        return not self.sources or self.reads is None

    @property
    def reads(self) -> Remote | None:
        """What reads its weights in a folder, as those of the first donor; None: the engine."""
        first = self.sources[0]
        if isinstance(first, Derived):
            return first.reads
        declaration = first.declaration if isinstance(first, Declared) else None
        return declaration if isinstance(declaration, Remote) else None

    @property
    def in_engine(self) -> bool:
        """As its first donor."""
        return not self.sources or self.sources[0].in_engine

    @property
    def weights(self) -> Weights:
        """The weights to be built; until then their key is their location."""
        first = self.sources[0].weights
        return Weights(
            self.key,
            self.key,
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
        """The tensors to be built, from the headers of the donors' files."""
        return recast(self.sources[0].tensors, self.dtype)

    @property
    def memory(self) -> int:
        """The bytes that building needs: the largest tensor of each donor, and what they make.

        The arithmetic is in float32.
        """
        return (len(self.donors) + 1) * self.at_once * SIZES["F32"]

    @property
    def at_once(self) -> int:
        """How many numbers of a tensor are in memory at a time: by default all of the largest."""
        return max((tensor.count for tensor in self.tensors.values()), default=0)


def _stated(value: object) -> str:
    fitted = value.fitted if isinstance(value, Trainable) else None
    return repr(value) if fitted is None else f"{value!r}@{fitted.digest}"


@dataclass(frozen=True)
class Trained(Derived):
    """A model that is trained here, from its only donor; it is built by `compose build` alone."""

    trained: ClassVar[bool] = True

    @property
    def memory(self) -> int:
        """The bytes that training needs, without those of the texts that are read at a time."""
        return STATES * sum(tensor.count for tensor in self.tensors.values())


def recast(tensors: Mapping[str, TensorHeader], dtype: str) -> dict[str, TensorHeader]:
    """Return tensors as they are in another type of numbers; `auto` leaves each in its own."""
    kind = NAMES.get(dtype)
    return {
        name: tensor
        if kind is None or tensor.dtype not in SIZES
        else TensorHeader(kind, tensor.shape, tensor.count * SIZES[kind])
        for name, tensor in tensors.items()
    }


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
