"""Candidates compared in pairs by a trained encoder, as PairRanker of LLM-Blender."""

from __future__ import annotations

import random
from itertools import permutations
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from composer.heavy import np, torch
from composer.methods.estimators.nets import train
from composer.methods.selectors.base import LearnedScorer, nothing_to_learn
from composer.methods.selectors.pairs import first_weights, joined, margins, pieces, signature
from composer.methods.selectors.texts import written
from composer.values import State

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from composer.methods.agreements.base import Comparison
    from composer.methods.answer_table import AnswerTable, MemberAnswers
    from composer.methods.selectors.pairs import Ids
    from composer.values import Candidates

    Margin = Callable[[Sequence[tuple[int, int]]], list[float]]
    """How much the first of each pair is better than the second, where the first stands first."""

_BATCH, _DECAY, _RATE = 64, 0.1, 1e-2


class Ranker(LearnedScorer):
    """A small encoder that reads the question and two candidates says which one is better.

    It sees the last `source` pieces of the question and the last `candidate` pieces of either
    candidate, with `members` also who wrote it, and is trained from scratch on pairs of unlike
    quality: the loss is -log sigmoid((s1 - s2) sign(q1 - q2)). In the `full` order, all n (n - 1)
    ordered pairs are compared, and the score of i is mean_j(M_ij - M_ji). In the order `bubble`, n
    - 1 pairs are, both ways round, from an order that is drawn by the question: the winner meets
    the next one. Only the first place is settled then; behind it stand those that lost last.
    """

    name: ClassVar[str] = "ranker"
    paper: ClassVar[str] = "arXiv:2306.02561"

    order: Literal["full", "bubble"] = "full"
    source: int = Field(default=24, ge=1)
    candidate: int = Field(default=16, ge=2)
    members: bool = True
    width: int = Field(default=32, ge=2, multiple_of=2)
    steps: int = Field(default=200, ge=1)

    def fit(self, table: AnswerTable, comparisons: tuple[Comparison, ...], seed: int) -> State:
        """Train on ordered pairs of candidates of one row, as many as the steps can read."""
        places = [
            (at, left, right)
            for at, (row, each) in enumerate(zip(table.rows, comparisons, strict=True))
            for left, right in permutations(each.voters, 2)
            if _unlike(row.quality[left], row.quality[right])
        ]
        if not places:
            raise nothing_to_learn(self.name, "rows whose candidates are of unlike quality")
        rng = np.random.default_rng(seed)
        drawn = [places[at] for at in rng.permutation(len(places))[: self.steps * _BATCH]]
        texts = {
            at: self._pieces(table.rows[at].candidates, table.members(table.rows[at]))
            for at in {each[0] for each in drawn}
        }
        numbers, kinds = self._joined(
            [(texts[at][0], texts[at][1][i], texts[at][1][j]) for at, i, j in drawn]
        )
        quality = [table.rows[at].quality for at, *_ in drawn]
        signs = torch.tensor(
            [
                1.0 if (each[i] or 0.0) > (each[j] or 0.0) else -1.0
                for each, (_, i, j) in zip(quality, drawn, strict=True)
            ]
        )

        def of_batch(weights: dict[str, Tensor], rows: Tensor) -> Tensor:
            margin = margins(weights, numbers[rows], kinds[rows], self._sizes)
            return -torch.nn.functional.logsigmoid(margin * signs[rows]).mean()

        start = first_weights(self.width, numbers.shape[1], rng)
        net = train(
            start,
            of_batch,
            len(drawn),
            seed=seed,
            steps=self.steps,
            decay=_DECAY,
            batch=_BATCH,
            rate=_RATE,
        )
        return self.fitted_state(table, net=State(net))

    def scores(self, state: State, answers: MemberAnswers) -> Sequence[float]:
        """Return mean margins in full order; in the order `bubble`, the places from the end."""
        net = state.part("net")
        weights: dict[str, Tensor] = net.live.get(
            "tensors", lambda: {name: torch.tensor(each) for name, each in net.arrays.items()}
        )
        candidates = answers.candidates
        source, texts = self._pieces(candidates, answers.members)
        some = [texts[place] for place in answers.comparison.voters]

        def margin(pairs: Sequence[tuple[int, int]]) -> list[float]:
            numbers, kinds = self._joined([(source, some[i], some[j]) for i, j in pairs])
            with torch.no_grad():
                return margins(weights, numbers, kinds, self._sizes).tolist()

        if self.order == "full":
            return full(len(some), margin)
        order = list(range(len(some)))
        random.Random(candidates.query.text).shuffle(order)  # noqa: S311 - an order, no secret
        return bubble(order, margin)

    @property
    def _sizes(self) -> tuple[int, int]:
        return self.source, self.candidate

    def _pieces(self, each: Candidates, members: Sequence[int]) -> tuple[Ids, list[Ids]]:
        """Return the pieces of the question, and of each candidate, whose first says who wrote."""
        texts = [pieces(text, self.candidate) for text in written(each)]
        if self.members:
            pairs = zip(members, texts, strict=True)
            texts = [np.append(signature(who), text[1 - self.candidate :]) for who, text in pairs]
        return pieces(each.query.text, self.source), texts

    def _joined(self, some: Sequence[tuple[Ids, Ids, Ids]]) -> tuple[Tensor, Tensor]:
        pairs = [joined(*each, self._sizes) for each in some]
        numbers, kinds = (torch.from_numpy(np.stack(each)) for each in zip(*pairs, strict=True))
        return numbers, kinds


def full(count: int, margin: Margin) -> list[float]:
    """Return mean_j(M_ij - M_ji) of each, over all ordered pairs of `count`; 0 for a lone one."""
    pairs = list(permutations(range(count), 2))
    scores = [0.0] * count
    for (i, j), value in zip(pairs, margin(pairs) if pairs else (), strict=True):
        scores[i] += value / (count - 1)
        scores[j] -= value / (count - 1)
    return scores


def bubble(order: Sequence[int], margin: Margin) -> list[float]:
    """Return n - 1 for the winner of n - 1 comparisons, fewer for those that lost before.

    Each is compared both ways round with the winner so far, who stays where they are equal.
    """
    scores = [0.0] * len(order)
    champion = order[0]
    for at, challenger in enumerate(order[1:]):
        one, other = margin([(champion, challenger), (challenger, champion)])
        loser = challenger if one >= other else champion
        champion = champion if one >= other else challenger
        scores[loser] = float(at)
    scores[champion] = float(len(order) - 1)
    return scores


def _unlike(left: float | None, right: float | None) -> bool:
    return left is not None and right is not None and left != right
