"""What a model is: a declared one, and one under a prompt of its own.

The other kinds are in `derived.py` and, for models that write together, in `fuses.py`. All are
frozen values that check themselves when they are made; what they open to is the business of the
engine and the backends.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from composer.specs.declaration import Local, Remote
from composer.specs.headers import tensors_of
from composer.values.capability import Capability
from composer.values.errors import ModelError
from composer.values.flow import Model
from composer.values.thinking import Thinking

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from composer.specs.declaration import Declaration, TokenAccess, Weights
    from composer.specs.headers import TensorHeader
    from composer.specs.parts import Renders
    from composer.values.card import Card
    from composer.values.flow import Message, Query

__all__ = [
    "Checkpoint",
    "Declared",
    "Prompted",
    "bare",
    "leaves",
    "member_names",
    "prompts",
    "readers",
    "thinking_of",
    "vocabulary",
]


class Checkpoint(Model):
    """A model that is one set of weights, or one server: declared or derived."""

    @property
    def members(self) -> tuple[Model, ...]:
        """Empty: it has no members."""
        return ()

    @property
    @abstractmethod
    def card(self) -> Card:
        """What light files tell of it; raises ModelError where they cannot be read."""

    @property
    @abstractmethod
    def identity(self) -> str:
        """By where it lies and how it is used: models with one identity are one."""

    @property
    @abstractmethod
    def is_local(self) -> bool:
        """Whether the engine reads its weights."""

    @property
    def in_engine(self) -> bool:
        """Whether the engine reads its weights where it writes together with others."""
        return self.is_local

    @property
    def has_weights(self) -> bool:
        """Whether its weights are read on the machine where it is asked."""
        return True

    @property
    @abstractmethod
    def weights(self) -> Weights:
        """Which weights the engine reads; raises ModelError for a model behind a client."""

    @property
    def token_access(self) -> TokenAccess | None:
        """How the next tokens of a model behind a client can be read, if they can."""
        return None

    @property
    @abstractmethod
    def tensors(self) -> Mapping[str, TensorHeader]:
        """Its weights as they are stored; none, where they are not on this machine."""

    @property
    def thinking(self) -> Thinking | None:
        """How it marks its thoughts, where they are to be taken out of its answers."""
        return None

    @property
    def reads_media(self) -> bool:
        """Whether it takes content parts of messages that are no text, such as images."""
        return False

    @property
    @abstractmethod
    def folder(self) -> Path | None:
        """Where its tokenizer and its configuration lie, if they are on this machine."""

    @property
    def capabilities(self) -> Capability:
        """What it can do, by its card."""
        return self.card.capabilities


@dataclass(frozen=True)
class Declared(Checkpoint):
    """A model as a recipe declares it: a name, and a backend with its options.

    A request to it fails after `timeout` seconds, which changes no answer.
    """

    name: str
    declaration: Declaration
    timeout: float | None = None

    @property
    def card(self) -> Card:
        """What light files tell of it; raises ModelError where they cannot be read."""
        return self.declaration.card()

    @property
    def identity(self) -> str:
        """What the backend says that it is."""
        return self.declaration.identity()

    @property
    def is_local(self) -> bool:
        """Whether the engine reads its weights."""
        return isinstance(self.declaration, Local)

    @property
    def in_engine(self) -> bool:
        """Whether it is local, or has weights here that give next-token distributions."""
        return self.is_local or (
            self._own_weights is not None and Capability.NEXT in self.card.capabilities
        )

    @property
    def has_weights(self) -> bool:
        """Whether its weights are read where it is asked: not by a server, nor from a recording."""
        return self.declaration.has_weights

    @property
    def weights(self) -> Weights:
        """Which weights are read on this machine; raises ModelError for a model without any.

        Of one whose next tokens can be read, the engine reads the tokenizer only.
        """
        weights = self._own_weights
        if weights is not None:
            return weights
        access = self.token_access
        if access is not None:
            return access.tokenizer
        raise ModelError("E302", f"the weights of `{self.name}` cannot be read on this machine")

    @property
    def _own_weights(self) -> Weights | None:
        declaration = self.declaration
        return declaration.weights if isinstance(declaration, Local | Remote) else None

    @property
    def token_access(self) -> TokenAccess | None:
        """How the next tokens of a model behind a client can be read, if they can."""
        return self.declaration.token_access if isinstance(self.declaration, Remote) else None

    @property
    def folder(self) -> Path | None:
        """Where its tokenizer and its configuration lie, if they are on this machine."""
        weights = self.weights if self._own_weights or self.token_access else None
        return Path(weights.location) if weights is not None and weights.local else None

    @property
    def thinking(self) -> Thinking | None:
        """What the declaration says, and the template shows."""
        return self.declaration.reasoning

    @property
    def reads_media(self) -> bool:
        """What the declaration says."""
        return self.declaration.reads_media

    @property
    def tensors(self) -> Mapping[str, TensorHeader]:
        """What the headers of its files say."""
        weights = self._own_weights
        if weights is None or not weights.local:
            return {}
        return tensors_of(Path(weights.location))


@dataclass(frozen=True)
class Prompted(Model):
    """A member that reads a prompt of its own, made of the query by a template.

    Source: model arithmetic, arXiv:2311.14479.
    """

    model: Model
    template: Renders

    @property
    def name(self) -> str:
        """The name of the model under the prompt."""
        return self.model.name

    @property
    def members(self) -> tuple[Model, ...]:
        """The model under the prompt."""
        return (self.model,)

    @property
    def capabilities(self) -> Capability:
        """What the model under the prompt can do."""
        return self.model.capabilities


def bare(model: Model) -> Model:
    """Return a model without the prompts before it."""
    while isinstance(model, Prompted):
        model = model.model
    return model


def leaves(model: Model) -> Iterator[Checkpoint]:
    """Yield the checkpoints in a model, left to right, as often as they occur."""
    return iter((model,)) if isinstance(model, Checkpoint) else _leaves(model)


def _leaves(model: Model) -> Iterator[Checkpoint]:
    stack = [model]
    while stack:
        current = stack.pop()
        if isinstance(current, Checkpoint):
            yield current
        stack.extend(reversed(current.members))


def thinking_of(model: Model, query: Query) -> Thinking | None:
    """Return how a model marks its thoughts; a fuse has the marks of all its members.

    The prompt of a raw query has no template, so it opens no block of thoughts.
    """
    markers = [marker for leaf in leaves(model) if (marker := leaf.thinking) is not None]
    if not markers:
        return None
    tags = tuple(dict.fromkeys(tag for marker in markers for tag in marker.tags))
    opened = not query.raw and any(marker.opened for marker in markers)
    return Thinking(tags, opened=opened)


def vocabulary(model: Model) -> str | None:
    """Return the one vocabulary of a model, None if its members' differ or are not known."""
    vocabularies = {leaf.card.vocabulary for leaf in leaves(model)}
    return vocabularies.pop() if len(vocabularies) == 1 else None


def prompts(model: Model, query: Query) -> tuple[tuple[Message, ...], ...]:
    """Return all prompts that members read: the query's messages, and rendered templates."""
    rendered: list[tuple[Message, ...]] = [query.messages]
    stack = [model]
    while stack:
        current = stack.pop()
        if isinstance(current, Prompted):
            rendered.append((("user", current.template.render(query)),))
        stack.extend(reversed(current.members))
    return tuple(rendered)


def readers(model: Model, query: Query | None) -> Iterator[tuple[Checkpoint, tuple[Message, ...]]]:
    """Yield the checkpoints in a model, each with the messages that it reads."""
    stack = [(model, () if query is None else query.messages)]
    while stack:
        current, messages = stack.pop()
        if isinstance(current, Prompted) and query is not None:
            messages = (("user", current.template.render(query)),)
        if isinstance(current, Checkpoint):
            yield current, messages
        else:
            stack.extend((member, messages) for member in reversed(current.members))


def member_names(model: Model) -> dict[str, str]:
    """Return the name of the model behind each name that a fuse gives a member."""
    names_by_member: dict[str, str] = {}
    inner = bare(model)
    names = getattr(inner, "names", ())
    for name, member in zip(names, inner.members, strict=True):
        inner_member = bare(member)
        names_by_member |= (
            member_names(inner_member) if inner_member.members else {name: inner_member.name}
        )
    return names_by_member
