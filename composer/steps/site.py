"""What a step's hooks see of a recipe, and what they say of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from composer.values import ModelError, Port
    from composer.values.capability import Capability
    from composer.values.details import TokenDetail


class Site(Protocol):
    """A step where a recipe uses it, or a model that it is given.

    A check that asks what a model can do, or who wrote an answer, is passed over where a model is
    concerned whose own declaration is a mistake.
    """

    @property
    def name(self) -> str:
        """The name of a declared model, else that of the step."""

    @property
    def port(self) -> Port:
        """What it gives."""

    @property
    def weighed(self) -> bool:
        """Whether it is a model whose members have weights."""

    @property
    def inputs(self) -> tuple[Site, ...]:
        """All that it is given, in order."""

    @property
    def models(self) -> tuple[Site, ...]:
        """The models among its inputs."""

    @property
    def options(self) -> object:
        """Its options, each by its name."""

    def get(self, option: str) -> Any:  # noqa: ANN401 - an option may be of any type
        """Return an option's value."""
        return getattr(self.options, option)

    @property
    def count(self) -> int | None:
        """How many answers it gives, if that is known."""

    @property
    def in_turn(self) -> bool:
        """Whether its answers can be asked for one after the other."""

    @property
    def reads(self) -> bool:
        """Whether it reads a value out of each answer."""

    @property
    def voted(self) -> bool:
        """Whether a vote chose its answer."""

    @property
    def ranked(self) -> bool:
        """Whether its answer is the best of a ranking."""

    @property
    def writers(self) -> tuple[Site, ...]:
        """The models that may have written its answers."""

    @property
    def capabilities(self) -> Capability:
        """What a model can do."""

    @property
    def leaves(self) -> tuple[Site, ...]:
        """The declared and derived models that answer for a model, each once."""

    @property
    def vocabulary(self) -> str | None:
        """The vocabulary of a declared or derived model, by content, if that is known."""

    @property
    def leaves_asked(self) -> tuple[Site, ...]:
        """The declared and derived models that answer where this step asks, each once."""

    @property
    def leaves_drawn(self) -> tuple[Site, ...]:
        """Those of `leaves_asked` that are fused by token: the engine draws what they write."""

    @property
    def local(self) -> bool:
        """Whether the engine reads the weights of a declared model."""

    @property
    def has_weights(self) -> bool:
        """Whether the weights of a declared model are read where it is asked."""

    @property
    def honours(self) -> frozenset[str]:
        """The options that a declared or derived model can honour of those that change logits."""

    @property
    def ignores(self) -> frozenset[str]:
        """Other options of `generate` that have no effect on a declared or derived model."""

    def unbiased(self, bias: Sequence[tuple[int | str, float]]) -> ModelError | None:
        """Say why a declared or derived model has no tokens that a bias names, if it has none."""

    @property
    def losses(self) -> frozenset[str]:
        """What the chat template of a declared or derived model leaves out, as cards name it."""

    def missing_detail(self, detail: TokenDetail) -> str:
        """Say why a model cannot tell what is wanted of each token; empty if it can."""

    def lacks(self, model: Site, needed: Capability) -> Iterator[Complaint]:
        """Say what this step needs and a model cannot do."""


@dataclass(frozen=True, slots=True)
class Complaint:
    """A mistake, or a warning, of a step that is used.

    It points to the step, or to what it is `about`: an option by its name, an input, a model of
    `leaves`. `label` stands below that place; a note is a sentence about another one.
    """

    code: str
    text: str
    label: str = ""
    help: str = ""
    about: Site | str | None = None
    notes: tuple[tuple[Site, str], ...] = ()
