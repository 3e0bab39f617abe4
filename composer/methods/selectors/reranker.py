"""Several measures of quality are predicted for each candidate by one network, as SummaReranker."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from composer.heavy import np, torch
from composer.methods.agreements.base import Agreement
from composer.methods.agreements.overlap import F1, Rouge
from composer.methods.estimators.features import Features, Tfidf
from composer.methods.estimators.latent import Latent
from composer.methods.estimators.losses import loss
from composer.methods.estimators.nets import layers, sigmoid, train
from composer.methods.selectors.base import LearnedScorer, nothing_to_learn
from composer.methods.selectors.features import agreement_features
from composer.methods.selectors.texts import candidate_vectors, fit_texts
from composer.values import State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from composer.methods.agreements.base import Comparison
    from composer.methods.answer_table import AnswerRow, AnswerTable, MemberAnswers
    from composer.methods.estimators.nets import Weights
    from composer.methods.estimators.values import Array, Floats

_STEEP = 30.0
_SMALL = 1e-6


class Reranker(LearnedScorer):
    """The sum over several measures of the probability that a candidate is the best by each.

    The measures are the quality that `fit` finds, and agreement with the references by each of
    `measures`, where the data have references. All share a layer of `hidden` units and `experts`
    small networks; each measure weighs the experts by a gate of its own. The best candidates of a
    row have label 1, the others 0; a row whose candidates are equally good says nothing. It sees
    the question, the candidate, their product, and who agrees with whom.
    """

    name: ClassVar[str] = "reranker"
    paper: ClassVar[str] = "arXiv:2203.06569"

    measures: tuple[Agreement, ...] = (Rouge(), F1())
    features: Features = Latent(of=Tfidf(words=1), dims=32)
    experts: int = Field(default=6, ge=1)
    hidden: int = Field(default=64, ge=1)
    steps: int = Field(default=400, ge=1)

    def fit(self, table: AnswerTable, comparisons: tuple[Comparison, ...], seed: int) -> State:
        """Train the network on all candidates that answer."""
        texts = fit_texts(self.features, table)
        inputs, labels = [], []
        for row, each in zip(table.rows, table.member_answers(comparisons), strict=True):
            if each.comparison.voters:
                inputs.append(self._input(texts, each))
                labels.append(self._labels(row, each.comparison))
        if not any(np.isfinite(each).any() for each in labels):
            raise nothing_to_learn(self.name, "rows whose candidates are of unlike quality")
        x, y = np.concatenate(inputs), np.concatenate(labels)
        mean, size = x.mean(0), np.maximum(x.std(0), _SMALL)
        net = self._trained((x - mean) / size, y[:, np.isfinite(y).any(0)], seed)
        spread = State({"mean": mean, "size": size})
        return self.fitted_state(table, texts=texts, spread=spread, net=State(net))

    def _trained(self, inputs: Floats, labels: Floats, seed: int) -> Weights:
        x, y = (torch.tensor(each, dtype=torch.float32) for each in (inputs, labels))

        def of_batch(weights: dict[str, Tensor], rows: Tensor) -> Tensor:
            return loss("right", mixture(weights, x[rows]), y[rows])

        start = self._start(x.shape[1], y.shape[1], np.random.default_rng(seed))
        return train(start, of_batch, len(x), seed=seed, steps=self.steps)

    def _start(self, wide: int, measures: int, rng: np.random.Generator) -> Weights:
        trunk = layers((wide, self.hidden, 1), rng)
        width = max(self.hidden // 4, 1)
        shapes = {
            "experts": (self.experts, self.hidden, width),
            "gates": (measures, self.hidden, self.experts),
            "towers": (measures, width, 1),
        }
        drawn = {
            name: (rng.normal(size=shape) / math.sqrt(shape[1])).astype(np.float32)
            for name, shape in shapes.items()
        }
        bias = np.zeros(measures, np.float32)
        return {"w0": trunk["w0"], "b0": trunk["b0"], **drawn, "bias": bias}

    def scores(self, state: State, answers: MemberAnswers) -> Floats:
        """Return the sums of the probabilities."""
        x = self._input(state.part("texts"), answers)
        spread = state.part("spread").arrays
        logits = mixture(state.part("net").arrays, (x - spread["mean"]) / spread["size"])
        sums: Floats = sigmoid(logits).sum(1)
        return sums

    def _input(self, texts: State, each: MemberAnswers) -> Floats:
        """Return what the network sees of the candidates that answer [voters, d]."""
        question, answers = candidate_vectors(self.features, texts, each.candidates)
        some = answers[list(each.comparison.voters)]
        who = agreement_features(each)
        asked = np.broadcast_to(question, some.shape)
        return np.concatenate([asked, some, asked * some, who], axis=1)

    def _labels(self, row: AnswerRow, comparison: Comparison) -> Floats:
        """Return which candidates are the best by each measure [voters, measures], or NaN."""
        quality = [row.quality[place] for place in comparison.voters]
        texts = [str(comparison.answers[place]) for place in comparison.voters]
        values = [[math.nan if one is None else one for one in quality]]
        for by in self.measures:
            pairs = [[by.agreed(text, right) for right in row.references] for text in texts]
            values.append([max(each, default=math.nan) for each in pairs])
        return np.stack([best_of(each) for each in values], axis=1)


def best_of(values: Sequence[float]) -> Floats:
    """Return 1 for the greatest values and 0 for others; NaN where all are equal or unknown."""
    each = np.array(values, dtype=float)
    if not np.isfinite(each).any() or np.nanmax(each) - np.nanmin(each) < _SMALL:
        return np.full(len(each), np.nan)
    return np.where(np.isfinite(each), each >= np.nanmax(each) - _SMALL, np.nan)


def mixture(weights: Mapping[str, Array], x: Array) -> Array:
    """Run the mixture of experts on arrays [n, d] or on tensors: logits [n, measures].

    u_e = relu(h W_e) of each expert, g_t = softmax(h G_t) of each measure, and the logit of a
    measure is (sum_e g_te u_e) v_t + b_t, with h = relu(x W + b).
    """
    h = (x @ weights["w0"] + weights["b0"]).clip(min=0)
    experts = (h[None] @ weights["experts"]).clip(min=0)
    gates = math.e ** (h[None] @ weights["gates"]).clip(-_STEEP, _STEEP)
    gates = gates / gates.sum(-1)[..., None]
    mixed = (gates[..., None, :] @ experts.swapaxes(0, 1))[..., 0, :]
    logits: Array = (mixed @ weights["towers"])[..., 0].T + weights["bias"]
    return logits
