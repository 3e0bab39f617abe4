"""An encoder-decoder model with its weights: it answers prompts and scores answers in batches."""

from __future__ import annotations

import math
import random
import re
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from composer.engine.rows.forward_arguments import cache_name
from composer.engine.sample import MIN_TEMPERATURE, draw_column, filtered
from composer.heavy import torch, transformers
from composer.quiet import quiet
from composer.values.details import LikelyToken, TokenChoice
from composer.values.errors import ModelError
from composer.values.finite import summed
from composer.values.results import Completion, Score, Usage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from torch import Tensor

    from composer.values.requests import Sampling
    from composer.values.results import Finish

__all__ = ["EncoderDecoder"]

T = TypeVar("T")

SEPARATOR = "</s>"
CANDIDATE = re.compile(r"(Candidate \d+: <extra_id_\d+>:)(.*)", re.DOTALL)
"""A candidate as the template `genfuser` writes it."""

_LOADING = threading.Lock()
"""One model is loaded at a time, since transformers changes functions of torch meanwhile."""


class Declared(Protocol):
    """What a declaration says of a model."""

    @property
    def path(self) -> str:
        """The folder, or the id on a hub."""

    @property
    def folder(self) -> Path | None:
        """Where it lies on this machine."""

    @property
    def revision(self) -> str | None:
        """The revision on the hub."""

    @property
    def dtype(self) -> str:
        """The type of numbers."""

    @property
    def device(self) -> str:
        """The device."""

    @property
    def format(self) -> str:
        """How a prompt is read."""

    @property
    def max_length(self) -> int:
        """The most tokens of a prompt."""

    @property
    def candidate_tokens(self) -> int:
        """The most tokens of a candidate."""

    @property
    def batch(self) -> int:
        """How many requests are run together."""

    @property
    def price(self) -> tuple[float, float] | None:
        """Dollars for a million tokens, read and written."""


@dataclass
class Answer:
    """An answer as far as it is written: its tokens, their texts and log-probabilities."""

    sampling: Sampling
    rng: random.Random
    ids: list[int] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    text: str = ""
    finish: Finish | None = None


class EncoderDecoder:
    """The model of a declaration, loaded; raises ModelError where it cannot be."""

    def __init__(self, declared: Declared, name: str) -> None:
        self.declared, self.name = declared, name
        source, local = str(declared.folder or declared.path), declared.folder is not None
        chosen = declared.device
        if chosen == "auto":
            chosen = "cuda" if torch.cuda.is_available() else "cpu"
        self.device = torch.device(chosen)
        where: dict[str, Any] = {"local_files_only": local, "trust_remote_code": False}
        if not local:
            where["revision"] = declared.revision
        try:
            with _LOADING, quiet():
                self.tokens = transformers.AutoTokenizer.from_pretrained(source, **where)
                model, info = transformers.AutoModelForSeq2SeqLM.from_pretrained(
                    source,
                    dtype=self._dtype(),
                    use_safetensors=True,
                    output_loading_info=True,
                    **where,
                )
        except (OSError, ValueError, RuntimeError) as error:
            reason = str(error).strip().split("\n")[0]
            raise ModelError(
                "E505", f"`{name}` cannot be loaded from `{declared.path}`: {reason}"
            ) from error
        if info["missing_keys"]:
            missing = min(info["missing_keys"])
            raise ModelError(
                "E505", f"the weights in `{declared.path}` lack `{missing}`", "save the model again"
            )
        self.model = model.to(self.device).eval()
        config = self.model.config
        forced = self.model.generation_config.forced_bos_token_id
        self.cache = cache_name(self.model) or "past_key_values"
        self.begin = [config.decoder_start_token_id] + ([] if forced is None else [forced])
        ends = config.eos_token_id
        self.ends = set(ends if isinstance(ends, list) else [ends])
        self.pad = config.pad_token_id or 0

    def answers(self, jobs: Sequence[tuple[str, Sampling]]) -> list[Completion]:
        """Answer prompts, each with its options; an answer depends on its own prompt and seed."""
        with quiet():
            return [done for batch in self._batches(jobs) for done in self._answered(batch)]

    def scores(self, jobs: Sequence[tuple[str, str]]) -> list[Score]:
        """Score texts as answers to prompts, without the token that ends an answer."""
        with quiet():
            return [done for batch in self._batches(jobs) for done in self._scored(batch)]

    def _batches(self, jobs: Sequence[T]) -> Iterator[Sequence[T]]:
        size = self.declared.batch
        return (jobs[start : start + size] for start in range(0, len(jobs), size))

    def _dtype(self) -> Any:  # noqa: ANN401 - a dtype, or transformers' word for the stored one
        if self.declared.dtype == "auto":
            return torch.float32 if self.device.type == "cpu" else "auto"
        from composer.checkpoints.dtypes import long_name

        return getattr(torch, long_name(self.declared.dtype))

    @torch.inference_mode()
    def _answered(self, jobs: Sequence[tuple[str, Sampling]]) -> list[Completion]:
        prompts = [self._read(prompt) for prompt, _ in jobs]
        encoded, mask = self._encoded([ids for ids, _ in prompts])
        answers = [Answer(how, random.Random(how.seed)) for _, how in jobs]  # noqa: S311 - drawing
        inputs, past = torch.tensor([self.begin] * len(jobs), device=self.device), None
        while any(answer.finish is None for answer in answers):
            out = self.model(
                encoder_outputs=encoded,
                attention_mask=mask,
                decoder_input_ids=inputs,
                use_cache=True,
                **{self.cache: past},
            )
            past = out[self.cache]
            logprobs = out.logits[:, -1].float().log_softmax(-1).cpu()
            inputs = torch.full((len(jobs), 1), self.pad, device=self.device)
            for at, answer in enumerate(answers):
                if answer.finish is None:
                    column = _drawn(logprobs[at : at + 1], answer)
                    inputs[at] = column
                    self._take(answer, column, float(logprobs[at, column]))
        pairs = zip(answers, prompts, strict=True)
        return [self._completion(answer, len(ids), cut) for answer, (ids, cut) in pairs]

    def _take(self, answer: Answer, token: int, logprob: float) -> None:
        """Add a token to an answer, and end it where that is its last one."""
        how = answer.sampling
        answer.logprobs.append(logprob)
        if token in self.ends:
            answer.pieces.append("")
            answer.finish = "stop"
            return
        answer.ids.append(token)
        text = self.tokens.decode(answer.ids, skip_special_tokens=True)
        answer.pieces.append(text[len(answer.text) :])
        answer.text = text
        stops = [(at, stop) for stop in how.stop if (at := text.find(stop)) >= 0]
        if stops:
            at, stop = min(stops)
            answer.text, answer.finish = text[: at + len(stop) * how.keep_stop], "stop"
        elif len(answer.logprobs) >= how.max_tokens:
            answer.finish = "length"

    def _completion(self, answer: Answer, read: int, cut: int) -> Completion:
        price, written = self.declared.price, len(answer.logprobs)
        each = zip(answer.pieces, answer.logprobs, strict=True)
        return Completion(
            answer.text,
            tuple(answer.pieces),
            tuple(answer.logprobs),
            math.exp(summed(answer.logprobs) / written),
            answer.finish,
            {self.name: Usage.at(price, 1, read, written)},
            facts={"cut": cut} if cut else {},
            choices=tuple(TokenChoice(LikelyToken(piece.encode(), log)) for piece, log in each),
        )

    @torch.inference_mode()
    def _scored(self, jobs: Sequence[tuple[str, str]]) -> list[Score]:
        encoded, mask = self._encoded([self._read(prompt)[0] for prompt, _ in jobs])
        texts = [self._plain(text) for _, text in jobs]
        longest = max(map(len, texts))
        rows = [[*self.begin, *ids, *[self.pad] * (longest - len(ids))] for ids in texts]
        inputs = torch.tensor(rows, device=self.device)
        out = self.model(encoder_outputs=encoded, attention_mask=mask, decoder_input_ids=inputs)
        logprobs = out.logits[:, len(self.begin) - 1 :].float().log_softmax(-1).cpu()
        return [
            Score(
                tuple(self.tokens.convert_ids_to_tokens(ids)),
                tuple(float(logprobs[at, place, token]) for place, token in enumerate(ids)),
            )
            for at, ids in enumerate(texts)
        ]

    def _encoded(self, prompts: Sequence[list[int]]) -> tuple[Any, Tensor]:
        """Run the encoder over prompts of unlike lengths; returns its output and the mask."""
        longest = max(map(len, prompts))
        rows = [ids + [self.pad] * (longest - len(ids)) for ids in prompts]
        ones = [[1] * len(ids) + [0] * (longest - len(ids)) for ids in prompts]
        inputs, mask = (torch.tensor(each, device=self.device) for each in (rows, ones))
        return self.model.get_encoder()(input_ids=inputs, attention_mask=mask), mask

    def _read(self, prompt: str) -> tuple[list[int], int]:
        """Return a prompt's tokens, and how many were cut off its end."""
        if self.declared.format == "genfuser":
            ids = self._fuser_ids(prompt)
        else:
            ids = self.tokens(prompt, split_special_tokens=True).input_ids
        most = self.declared.max_length
        return ids[:most], max(len(ids) - most, 0)

    def _fuser_ids(self, prompt: str) -> list[int]:
        """Read special tokens in a prompt, with each candidate cut."""
        parts = prompt.split(SEPARATOR)
        for at, part in enumerate(parts):
            if match := CANDIDATE.fullmatch(part):
                ids = self._plain(match[2])
                if len(ids) > self.declared.candidate_tokens:
                    beginning = self.tokens.decode(ids[: self.declared.candidate_tokens])
                    parts[at] = f"{match[1]}{beginning}..."
        whole: list[int] = self.tokens.encode(SEPARATOR.join(parts), add_special_tokens=False)
        return whole

    def _plain(self, text: str) -> list[int]:
        """Return the tokens of a text in which nothing is a special token."""
        ids: list[int] = self.tokens(
            text, add_special_tokens=False, split_special_tokens=True
        ).input_ids
        return ids


def _drawn(logprobs: Tensor, answer: Answer) -> int:
    """Return the next token of an answer: the likeliest, or a draw from its distribution [1, n]."""
    how = answer.sampling
    if how.temperature <= 0:
        return int(logprobs.argmax())
    tempered = (logprobs / max(how.temperature, MIN_TEMPERATURE)).log_softmax(-1)
    ranked, columns = tempered.sort(dim=-1, descending=True, stable=True)
    weights = filtered(ranked, [how]).double().exp()
    return int(columns[0, int(draw_column(weights, [answer.rng.random()]))])
