"""`seq2seq(...)`: an encoder-decoder model, such as T5 or BART, run here by transformers."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from composer.checkpoints.devices import DeviceName
from composer.checkpoints.dtypes import Dtype, long_name
from composer.checkpoints.folder import card_of
from composer.checkpoints.location import Stored
from composer.specs.content import folder_digest
from composer.specs.declaration import Remote, Weights
from composer.specs.headers import read_json
from composer.values.capability import Capability
from composer.values.card import Card, Price, lacking
from composer.values.errors import ModelError
from composer.values.gathering import Gathering
from composer.values.requests import Client, cannot
from composer.values.results import Generated
from composer.values.typed import ModelPath

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from composer.backends.encoder_decoder import EncoderDecoder
    from composer.values.flow import Model, Query
    from composer.values.requests import Generate, Sampling, ScoreTexts
    from composer.values.results import Completion, Score

__all__ = ["Seq2Seq"]

ABLE = Capability.TEXT | Capability.LOGPROBS | Capability.SCORE | Capability.WEIGHTS
FUSED = Capability.NEXT | Capability.LOGITS | Capability.CROP


class Seq2Seq(Stored, Remote):
    """An encoder-decoder model in a folder or on a hub, for `regenerate` or as a member.

    It reads the contents of all messages, one below the other, without a chat template. A prompt of
    more than `max_length` tokens is cut, and the answer's facts say by how much. Up to `batch`
    waiting requests are run together. With `format = "genfuser"` it reads what the template
    `genfuser` writes, as LLM-Blender's fuser does: `</s>` and `<extra_id_0>` are special tokens,
    and each candidate is cut to `candidate_tokens`. `dtype` and `device` are those of `hf`. Answers
    are drawn token by token, without beams, and generation_config.json is not heeded.

    In a fuse of tokens or bytes it reads the prompt whole, once, and gives the next token of the
    answer as any member does: a language model and a translation model write together
    (arXiv:2311.08306).
    """

    name: ClassVar[str] = "seq2seq"
    has_weights: ClassVar[bool] = True

    path: ModelPath
    dtype: Dtype = "auto"
    device: DeviceName = "auto"
    revision: str | None = None
    format: Literal["text", "genfuser"] = "text"
    max_length: int = Field(default=1024, ge=1)
    candidate_tokens: int = Field(default=128, ge=1)
    batch: int = Field(default=16, ge=1)
    price: Price = None

    @property
    def weights(self) -> Weights:
        """The checkpoint, of which a model can be merged."""
        where = str(self.folder or self.path)
        return Weights(self.key, where, self.revision, long_name(self.dtype), self.device)

    def at(self, folder: Path) -> Seq2Seq:
        """As the options say, in another folder."""
        return self.model_copy(update={"path": str(folder), "revision": None})

    def card(self) -> Card:
        """Read config.json, tokenizer.json and the headers of the weights."""
        folder = self.folder
        able = ABLE | FUSED if self.format == "text" else ABLE
        why = dict(lacking("an encoder-decoder model does not give it", has=able))
        if able is ABLE:
            why |= dict.fromkeys(FUSED, "it reads only what the template `genfuser` writes")
        if folder is None:
            return Card(able, price=self.price, deferred=(self.absence,), why=why)
        card = card_of(folder, long_name(self.dtype))
        if not read_json(folder / "config.json").get("is_encoder_decoder"):
            raise ModelError(
                "E505",
                f"the model in `{self.path}` is no encoder-decoder model",
                f'declare it with `hf("{self.path}")`',
            )
        return replace(card, capabilities=able, price=self.price, why=why)

    def identity(self) -> str:
        """The folder, or the hub id with its revision, and how the model is used."""
        return "|".join((f"seq2seq:{self.key}", self.device, *self._use))

    def content(self) -> str:
        """The digest of the folder, or the hub id with its revision, and how it is read."""
        folder = self.folder
        digest = self.key if folder is None else folder_digest(folder)
        return "|".join((f"seq2seq:{digest}", *self._use))

    @property
    def _use(self) -> tuple[str, ...]:
        cut = f"{self.candidate_tokens}" if self.format == "genfuser" else ""
        return long_name(self.dtype), f"{self.format}{cut}", str(self.max_length)

    async def open(self, name: str) -> Client:
        """Open a client; the weights are loaded with its first request."""
        return Seq2SeqClient(self, name)


class Seq2SeqClient(Client):
    """Runs waiting requests together, in a thread."""

    def __init__(self, declared: Seq2Seq, name: str) -> None:
        self.declared, self.name = declared, name
        self._model: EncoderDecoder | None = None
        self._answers = Gathering(self._answered)
        self._scores = Gathering(self._scored)
        self._loading = asyncio.Lock()

    async def load(self, model: Model) -> None:
        """Read the weights."""
        del model
        async with self._loading:
            if self._model is None:
                from composer.backends.encoder_decoder import EncoderDecoder

                self._model = await asyncio.to_thread(EncoderDecoder, self.declared, self.name)

    async def generate(
        self, request: Generate, on_text: Callable[[str], None] | None = None
    ) -> Generated:
        """Answer once for each seed."""
        if request.prefix:
            raise cannot(request)
        await self.load(request.model)
        prompt = prompt_of(request.query)
        jobs = [(prompt, replace(request.sampling, seed=seed)) for seed in request.seeds]
        draws = await asyncio.gather(*(self._answers.outcome(job) for job in jobs))
        if on_text is not None:
            on_text(draws[0].text)
        return Generated(tuple(draws))

    async def score(self, request: ScoreTexts) -> tuple[Score, ...]:
        """Score texts as answers to a query."""
        if request.query is None or request.texts is None or request.prefix:
            raise ModelError(
                "E302",
                f"`{self.name}` scores only answers to a question, because it is an "
                "encoder-decoder model",
            )
        await self.load(request.model)
        prompt = prompt_of(request.query)
        jobs = [(prompt, text) for text in request.texts]
        return tuple(await asyncio.gather(*(self._scores.outcome(job) for job in jobs)))

    async def close(self) -> None:
        """Let go of the weights."""
        self._model = None

    def _answered(self, jobs: Sequence[tuple[str, Sampling]]) -> list[Completion]:
        assert self._model is not None
        return self._model.answers(jobs)

    def _scored(self, jobs: Sequence[tuple[str, str]]) -> list[Score]:
        assert self._model is not None
        return self._model.scores(jobs)


def prompt_of(query: Query) -> str:
    """Return what the encoder reads."""
    return "\n".join(content for _, content in query.messages)
