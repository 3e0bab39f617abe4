"""`reward_model(...)`: a model that says how good answers are, or steps of answers."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from composer.checkpoints.adapted import Adapted
from composer.checkpoints.chatfiles import chat_of
from composer.checkpoints.devices import DeviceName
from composer.checkpoints.dtypes import Dtype, long_name
from composer.checkpoints.folder import card_of
from composer.checkpoints.location import Stored
from composer.checkpoints.quantize import Quantize, quantize_faults, quantized_use
from composer.checkpoints.reward_heads import (
    RewardHead,
    StepReading,
    adapted_head,
    generative,
    headless,
    reward_head,
)
from composer.specs.content import folder_digest
from composer.specs.declaration import Chat, Remote, Weights
from composer.specs.parts import ChatFile, chosen_chat
from composer.values.capability import Capability
from composer.values.card import Card, Price, lacking
from composer.values.errors import ModelError
from composer.values.requests import Client
from composer.values.results import Rewarded, Usage
from composer.values.typed import MaybeModel, ModelPath, Variables

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from composer.backends.reward_network import RewardNetwork
    from composer.values.flow import Model
    from composer.values.requests import Reward

__all__ = ["RewardModel", "Rewarding"]

ABLE = Capability.REWARD | Capability.WEIGHTS
Words = Annotated[str, Field(min_length=1)]
Over = Literal["last", "min", "product", "mean"]

ABSENT = "is not on this machine, so it cannot be checked before it is downloaded"

OF_STEPS = ("steps", "boundary", "step_end", "between")
"""The options that say how an answer is cut into steps."""


class Rewarding(Adapted, Remote):
    """What the declarations of reward models in this process have in common."""

    has_weights: ClassVar[bool] = True

    if TYPE_CHECKING:  # options of each declaration, in an order of its own

        @property
        def dtype(self) -> Dtype:
            """The type of numbers."""

        @property
        def device(self) -> DeviceName:
            """The device."""

        @property
        def steps(self) -> Over:
            """How the rewards of steps become one."""

        @property
        def batch(self) -> int:
            """How many texts are run together."""

        @property
        def heads(self) -> int:
            """How many rewards it gives in one pass."""

        @property
        def price(self) -> Price:
            """Dollars for a million tokens."""

    @property
    @abstractmethod
    def folder(self) -> Path | None:
        """Where the files lie, None for those of a hub that are not here."""

    @property
    @abstractmethod
    def key(self) -> str:
        """What names the files."""

    @property
    @abstractmethod
    def base(self) -> str:
        """What the recipe calls the weights, without an adapter."""

    @property
    @abstractmethod
    def weights(self) -> Weights:
        """Which weights are read, and how."""

    @property
    def quantized(self) -> str | None:
        """How its linear layers are made smaller, None if they are not."""
        return None

    @property
    def reading(self) -> StepReading:
        """How an answer is cut into steps."""
        return StepReading()

    @property
    def chat(self) -> Chat:
        """How a question and its answer are written."""
        return Chat()

    @property
    def head(self) -> RewardHead:
        """What gives the reward; raises ModelError for a model that gives none."""
        assert self.folder is not None
        adapter = self.adapter_folder
        if adapter is not None and generative(self.folder) and self.reading.good is None:
            return adapted_head(self.folder, adapter, self.heads)
        return reward_head(self.folder, words=self.reading.good is not None, heads=self.heads)

    def card(self) -> Card:
        """Read config.json, tokenizer.json and the headers of the weights."""
        folder = self.folder
        why = lacking("a reward model gives only rewards", has=ABLE)
        if folder is None:
            return Card(ABLE, price=self.price, deferred=(ABSENT,), why=why)
        self._demand_options(self.head)
        losses = self._losses(folder)
        dtype = long_name(self.dtype)
        card = self.adapted(card_of(folder, dtype, self.quantized), dtype, self.base)
        return replace(card, capabilities=ABLE, price=self.price, why=why, losses=losses)

    def faults(self) -> Sequence[ModelError]:
        """Say that the weights have no layer that gives a reward."""
        if self.folder is None:
            return ()
        faults = tuple(quantize_faults(self.folder, self.quantized))
        faults = faults or tuple(self.adapter_faults(self.folder))
        if faults or self.head == "words" or generative(self.folder):
            return faults
        fault = headless(self.folder)
        return () if fault is None else (fault,)

    def identity(self) -> str:
        """The folder, or the hub id with its revision, and how the model is used."""
        return "|".join(
            (f"{self.name}:{self.key}", self.device, str(self.chat), *self._use, *self.adapter_use)
        )

    def content(self) -> str:
        """The digest of the folder, or the hub id with its revision, and how it is read."""
        folder = self.folder
        digest = self.key if folder is None else folder_digest(folder)
        return "|".join(
            (f"reward:{digest}", self.chat.content(), *self._use, *self.adapter_content)
        )

    @abstractmethod
    def at(self, folder: Path) -> Remote:
        """Return the same reward model with the weights of another folder."""

    async def open(self, name: str) -> Client:
        """Open a client; the weights are loaded with its first request."""
        return RewardClient(self, name)

    @property
    def _use(self) -> tuple[str, ...]:
        heads = () if self.heads == 1 else (f"heads={self.heads}",)
        use = (long_name(self.dtype), self.steps, repr(self.reading), *heads)
        return *use, *quantized_use(self.quantized)

    def _losses(self, folder: Path) -> frozenset[str]:
        template = chat_of(folder, self.chat, f"`{folder.name}`")
        losses = template.probe.losses if template is not None else frozenset[str]()
        return losses - {"system"} if self.chat.fold_system else losses

    def _demand_options(self, head: RewardHead) -> None:
        """Raise ModelError where an option is of steps, and the model rewards whole answers."""
        named = [name for name in OF_STEPS if name in self.model_fields_set]
        if head != "answer" and self.heads > 1:
            text = "`heads` is for a classifier of whole answers, and this one rewards steps"
            raise ModelError("E402", text, "leave out `heads`")
        if head == "answer" and named:
            raise ModelError(
                "E402",
                f"`{named[0]}` is for a model that rewards steps, and this one gives one reward "
                "for a whole answer",
                f"leave out `{named[0]}`",
            )


class RewardModel(Stored, Rewarding):
    """A reward model in a folder or on a hub, run here by transformers.

    Its class says what it rewards. A sequence classifier with one label gives a number at the end
    of the answer. One with several `heads`, a label for each, gives several in one pass: the reward
    is their mean, unless `rewards(R, across = ...)` says otherwise. A token classifier with two
    labels gives the probability of the second one at the end of each step. A language model gives
    p(`good`) / (p(`good`) + p(`bad`)) there, of two tokens that the recipe names. A step ends with
    `boundary`; it is read without it, then comes `step_end` (by default the boundary), at whose
    last token the reward is read, then `between`. `steps` says how the rewards of several steps
    become one. Up to `batch` texts are run together; a beginning that they share is read once.
    `dtype`, `device`, `quantize` and `template` are those of `hf`.
    """

    name: ClassVar[str] = "reward_model"
    paper: ClassVar[str] = "arXiv:2305.20050"

    path: ModelPath
    dtype: Dtype = "auto"
    device: DeviceName = "auto"
    quantize: Quantize | None = None
    revision: str | None = None
    template: ChatFile | str = "auto"
    template_args: Variables = ()
    fold_system: bool = False
    steps: Over = "last"
    boundary: Words = "\n"
    step_end: Words | None = None
    between: str = ""
    good: Words | None = None
    bad: Words | None = None
    heads: int = Field(default=1, ge=1)
    adapter: MaybeModel = None
    adapter_revision: str | None = None
    batch: int = Field(default=16, ge=1)
    price: Price = None

    @model_validator(mode="after")
    def _both_words(self) -> Self:
        if (self.good is None) != (self.bad is None):
            raise ValueError("`good` and `bad` go together; give both, or none")
        return self

    @property
    def reading(self) -> StepReading:
        """As the options say."""
        return StepReading(self.boundary, self.step_end, self.between, self.good, self.bad)

    @property
    def chat(self) -> Chat:
        """As the options say."""
        chat = chosen_chat(self.template, self.template_args)
        return replace(chat, fold_system=self.fold_system)

    @property
    def quantized(self) -> str | None:
        """As the options say."""
        return self.quantize

    @property
    def base(self) -> str:
        """The path."""
        return self.path

    def at(self, folder: Path) -> RewardModel:
        """As the options say, in another folder."""
        plain = {"revision": None, "adapter": None, "adapter_revision": None}
        return self.model_copy(update={"path": str(folder), **plain})

    @property
    def weights(self) -> Weights:
        """The checkpoint, and how it is used."""
        return Weights(
            key=self.key,
            location=str(self.folder or self.path),
            revision=self.revision,
            dtype=long_name(self.dtype),
            device=self.device,
            adapter=self.adapter_weights,
            quantize=self.quantize,
        )


class RewardClient(Client):
    """Rewards waiting texts together, in a thread."""

    def __init__(self, declared: Rewarding, name: str) -> None:
        self.declared, self.name = declared, name
        self._network: RewardNetwork | None = None
        self._loading = asyncio.Lock()

    async def load(self, model: Model) -> None:
        """Read the weights."""
        del model
        async with self._loading:
            if self._network is None:
                from composer.backends.reward_network import RewardNetwork

                loop = asyncio.get_running_loop()
                self._network = await asyncio.to_thread(
                    RewardNetwork, self.declared, self.name, loop
                )

    async def reward(self, request: Reward) -> Rewarded:
        """Say how good each text is."""
        await self.load(request.model)
        network = self._network
        assert network is not None
        readings = await asyncio.to_thread(network.readings, request.query, request.texts)
        wait = network.trunk.waiting.outcome
        judged = await asyncio.gather(*(wait((network, reading)) for reading in readings))
        read = sum(each.tokens for each in judged)
        usage = Usage.at(self.declared.price, 1, read, 0)
        heads = tuple(each.heads for each in judged) if self.declared.heads > 1 else ()
        return Rewarded(tuple(each.reward for each in judged), {self.name: usage}, heads)

    async def close(self) -> None:
        """Let go of the weights."""
        self._network = None
