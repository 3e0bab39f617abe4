"""DFPE: of members that answer alike only the best votes, and better ones count more."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from composer.heavy import np, sklearn
from composer.methods.estimators.embeddings import Embedding, Static
from composer.methods.reductions.learned import Weighing
from composer.methods.reductions.log_odds import labelled_accuracy
from composer.methods.reductions.one_coin import codes_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from composer.methods.agreements.base import Comparison
    from composer.methods.answer_table import AnswerTable
    from composer.methods.estimators.values import Floats
    from composer.values import State


class Fingerprints(Weighing):
    """Members are clustered by their answers; the best of each cluster votes with exp(scale x acc).

    The fingerprint of a member is the mean embedding of its answers. DBSCAN with the cosine
    distance `eps` clusters them; a member may be a cluster of its own. Of the best members of all
    clusters, those vote whose accuracy is at least the `quantile` of theirs.
    """

    name: ClassVar[str] = "fingerprints"
    paper: ClassVar[str] = "arXiv:2501.17479"

    of: Embedding = Static()
    eps: float = Field(default=0.5, gt=0, le=2)
    quantile: float = Field(default=0.5, ge=0, le=1)
    scale: float = Field(default=1.0, ge=0)

    def fit(self, table: AnswerTable, comparisons: tuple[Comparison, ...], seed: int) -> State:
        """Cluster the members, and weigh those that vote."""
        del seed
        accuracy = labelled_accuracy(table, codes_of(table, comparisons))
        clusters = sklearn.cluster.DBSCAN(eps=self.eps, min_samples=1, metric="cosine").fit_predict(
            self._fingerprints(table)
        )
        groups = [np.flatnonzero(clusters == each) for each in np.unique(clusters)]
        best = np.array([group[int(accuracy[group].argmax())] for group in groups])
        kept = best[accuracy[best] >= np.quantile(accuracy[best], self.quantile)]
        weights = np.zeros(len(table.names))
        weights[kept] = np.exp(self.scale * accuracy[kept])
        arrays = {"accuracy": accuracy, "weights": weights, "clusters": clusters}
        return self.fitted_state(table, arrays)

    def _fingerprints(self, table: AnswerTable) -> Floats:
        """Return the mean embedding of each member's answers."""
        texts = {
            (row.candidates.names[at], text.text)
            for row in table.rows
            for at, text in enumerate(row.candidates.texts)
        }
        every = sorted({text for _, text in texts})
        vectors = self.of.text_vectors(every)
        places = {text: at for at, text in enumerate(every)}
        return np.stack([self._mean(table, name, vectors, places) for name in table.names])

    @staticmethod
    def _mean(table: AnswerTable, name: str, vectors: Floats, places: dict[str, int]) -> Floats:
        rows = [
            places[row.candidates.texts[row.candidates.names.index(name)].text]
            for row in table.rows
            if name in row.candidates.names
        ]
        mean: Floats = vectors[rows].mean(0) if rows else np.ones(vectors.shape[1])
        return mean

    def notes(self, state: State) -> Iterator[str]:
        """Say which members vote."""
        names, weights = state.facts["names"], state.arrays["weights"]
        voters = ", ".join(f"`{n}`" for n, w in zip(names, weights, strict=True) if w > 0)
        count = len(np.unique(state.arrays["clusters"]))
        yield f"`{self.name}` found {count} clusters among {len(names)} members; {voters} vote"
