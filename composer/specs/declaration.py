"""A declared model: what a recipe says after `model A =`, a backend with its options."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from composer.specs.content import file_digest
from composer.values.processing import NO_PROCESSING, Processing
from composer.values.typed import Typed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from composer.values.card import Card
    from composer.values.details import TokenDetail
    from composer.values.errors import ModelError
    from composer.values.requests import Client
    from composer.values.thinking import Thinking
    from composer.values.typed import Variables

__all__ = ["Declaration", "Local", "Remote", "ServerFacts", "TokenAccess", "Weights"]


LOGITS = frozenset(
    {
        "repetition_penalty",
        "presence_penalty",
        "frequency_penalty",
        "logit_bias",
        "min_tokens",
    }
)
"""The options of `generate` that change logits."""


@dataclass(frozen=True)
class Chat:
    """Which template writes a conversation, from the tokenizer or from a file, and how.

    `template` is `auto`, `chat`, `plain`, or the name of one of several. `args` are variables of
    the template. `fold_system` puts the system's words before the first question;
    `parse_special` lets a message spell special tokens.
    """

    template: str = "auto"
    file: str | None = None
    args: Variables = ()
    fold_system: bool = False
    parse_special: bool = False

    @property
    def plain(self) -> bool:
        """Whether no template is wanted."""
        return self.file is None and self.template == "plain"

    def content(self) -> str:
        """Name what prompts depend on, wherever a file lies."""
        return self._named(None if self.file is None else file_digest(self.file))

    def __str__(self) -> str:
        return self._named(self.file)

    def _named(self, file: str | None) -> str:
        template = self.template if file is None else f"file:{file}"
        variables = [f"{name}={value!r}" for name, value in self.args]
        flags = [name for name in ("fold_system", "parse_special") if getattr(self, name)]
        return ",".join((template, *variables, *flags))


DEFAULT_CHAT = Chat()
"""The chat options of a model for which a recipe sets none."""


@dataclass(frozen=True)
class Weights:
    """Which weights the engine reads, and how; equal `shared` values share one set in memory.

    `location` is a folder or the id of a model on a hub, `dtype` and `device` may be `auto`;
    `quantize` is how linear layers are made smaller while they are loaded; `chat` writes its
    prompts. `processing` is applied to the logits, unless a request sets another one. `adapter`
    says where a LoRA adapter of these weights lies: models that differ in it alone share them.
    """

    key: str
    location: str
    revision: str | None = None
    dtype: str = "auto"
    device: str = "auto"
    chat: Chat = DEFAULT_CHAT
    processing: Processing = NO_PROCESSING
    adapter: Weights | None = None
    quantize: str | None = None

    @property
    def content_key(self) -> str:
        """The weights and their adapter, each by key and revision."""
        own = f"{self.key}@{self.revision}"
        return own if self.adapter is None else f"{own}+{self.adapter.content_key}"

    @property
    def shared(self) -> tuple[str, str, str]:
        """What must be equal for two models to be served by one runner."""
        dtype = self.dtype if self.quantize is None else f"{self.dtype}, {self.quantize}"
        return self.key, dtype, self.device

    @property
    def local(self) -> bool:
        """Whether the weights lie in a folder of this machine."""
        return Path(self.location).is_dir()


@dataclass(frozen=True)
class TokenAccess:
    """How the next tokens of a model behind a server are read.

    `tokenizer` says where the files of its tokenizer lie. The server gives the `top` likeliest
    tokens, and up to `chosen` chosen ids beside them. `context` is how many tokens it reads, None
    if that is not known.
    """

    tokenizer: Weights
    top: int
    chosen: int = 0
    context: int | None = None


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What is known of one address of a model, in words: what it gives, what it lacks.

    `unknown` has what could not be found out. `date` is the day on which the server, of that
    `version` if it tells one, was asked, by so many `requests`; empty before.
    """

    model: str
    address: str
    gives: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    date: str = ""
    version: str = ""
    requests: int = 0


class Declaration(Typed):
    """A backend with its options. Equal declarations share what they open.

    A backend names its options as fields, `price` last among them: a field of this class would
    become the first option of every backend. Derive from `Local` or `Remote`. `may_abstain` says
    that an answer may be none, `replays` that answers are read from a file and cost nothing now,
    `has_weights` that its weights are read where it is asked, so that a cluster can have copies.
    """

    may_abstain: ClassVar[bool] = False
    replays: ClassVar[bool] = False
    has_weights: ClassVar[bool] = False

    @property
    def honours(self) -> frozenset[str]:
        """The options that change logits, and `schema`, of those that the model can honour."""
        return frozenset()

    @property
    def ignores(self) -> frozenset[str]:
        """Other options of `generate` that have no effect on the model."""
        return frozenset()

    @property
    def most_draws(self) -> int:
        """How many answers its client is given by one request, as far as that is known."""
        return 1

    def missing_detail(self, detail: TokenDetail) -> str:
        """Say why its client cannot tell what is wanted of each token; empty if it can.

        This is asked of a model that tells log-probabilities, by default of the token alone.
        """
        if detail.top or detail.ids:
            return "tells no other tokens than those that it writes"
        return ""

    @property
    def reads_media(self) -> bool:
        """Whether it takes content parts of messages that are no text, such as images."""
        return False

    @property
    def aliases(self) -> tuple[str, ...]:
        """The names under which data files know this model."""
        return ()

    @property
    def recorded_cost(self) -> float | None:
        """The mean dollars of its recorded answers, None where none are known."""
        return None

    @property
    def reasoning(self) -> Thinking | None:
        """How the model marks its thoughts, if they are to be removed from its answers."""
        return None

    @abstractmethod
    def card(self) -> Card:
        """Say what the model can do, from light files only."""

    def faults(self) -> Sequence[ModelError]:
        """Return faults of its files that the card does not show, but its answers would."""
        return ()

    def identity(self) -> str:
        """Name the content: declarations with one identity are one model."""
        return f"{self.name}:{self!r}"

    def content(self) -> str:
        """Name what the answers depend on, wherever it lies: what a cache of answers keys on."""
        return self.identity()


class Local(Declaration):
    """A model whose weights the engine reads into this process.

    `settings` are options of `generate` that its own files state; a recipe can override them.
    """

    has_weights: ClassVar[bool] = True

    @property
    def honours(self) -> frozenset[str]:
        """All of them: the engine changes the logits itself."""
        return LOGITS

    @property
    def settings(self) -> Mapping[str, object]:
        """Options of `generate` for a model that answers alone."""
        return {}

    @property
    @abstractmethod
    def weights(self) -> Weights:
        """Say which weights, and how they are read."""


class Remote(Declaration):
    """A model that is asked through a client: a server, a recording, a fake."""

    @property
    def weights(self) -> Weights | None:
        """Which weights its client reads, where these are on this machine and can be merged."""
        return None

    def at(self, folder: Path) -> Remote:
        """Return the same model with the weights of another folder, which its client reads."""
        raise NotImplementedError(folder)

    @property
    def token_access(self) -> TokenAccess | None:
        """How its next tokens can be read, if its client answers NextTokens."""
        return None

    @property
    def servers(self) -> tuple[ServerFacts, ...]:
        """What is known of the servers that answer for it."""
        return ()

    @property
    def unexplored(self) -> bool:
        """Whether only its servers can tell what it can do, and have not been asked."""
        return False

    async def explore(self, name: str, *, anew: bool = False) -> Mapping[str, ModelError]:
        """Ask its servers what they give, unless that is known, and keep it.

        Return by address why one could not be asked; `name` is the recipe's for the model. An error
        that is `transient` may pass; any other one is a mistake of the recipe.
        """
        del name, anew
        return {}

    @abstractmethod
    async def open(self, name: str) -> Client:
        """Open a client, which lives as long as the ensemble; `name` is the recipe's for it."""
