"""Out-of-distribution queries: how far they lie from the training rows, and shrunk estimates.

A learned router can fall below chance on subjects that it never saw. So what it says of a query
counts only as much as the query resembles what it learnt from; the rest is a safe prior, a linear
model of the query's length and shape, which holds on foreign queries too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.heavy import np, scipy, sklearn
from composer.methods.estimators.features import Weigher, all_vectors
from composer.methods.estimators.linear import predicted
from composer.methods.estimators.shapes import Shape
from composer.methods.estimators.values import Predictions
from composer.values import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sklearn.feature_extraction.text import TfidfVectorizer

    from composer.methods.estimators.features import Vectors
    from composer.methods.estimators.values import Asked, Floats

SEEN = (Shape(),)
"""What the safe prior sees: the shape of a query, none of its words."""

LANDMARKS = 2000
"""Rows, evenly spaced, that queries are compared with, so that a comparison stays cheap."""

COMMON, MANY = 0.2, 500
"""Letters in more than this share of the rows, where there are many, tell no query from another."""

_AT_ONCE = 512


def near_state(queries: Sequence[Asked]) -> tuple[State, Vectors]:
    """Learn the runs of three letters that tell queries apart. Return the state and all vectors."""
    texts = [text for text, _ in queries]
    vectorizer = _vectorizer(max_df=COMMON if len(texts) >= MANY else 1.0)
    vectors = vectorizer.fit_transform(texts)
    index = landmarks(vectors)
    terms = "\n".join(vectorizer.get_feature_names_out()).encode()
    arrays = {
        "terms": np.frombuffer(terms, np.uint8),
        "idf": vectorizer.idf_,
        "data": index.data,
        "indices": index.indices.astype(np.int32),
        "indptr": index.indptr.astype(np.int32),
    }
    return State(arrays, {"rows": index.shape[1]}), vectors


def landmarks(vectors: Vectors) -> Vectors:
    """Return at most `LANDMARKS` of the rows as the columns of an index, term by term."""
    count = vectors.shape[0]
    some = np.unique(np.linspace(0, count - 1, min(count, LANDMARKS)).astype(int))
    index = vectors[some].T.tocsr()
    index.sort_indices()
    return index


def near(state: State, queries: Sequence[Asked]) -> Floats:
    """Return the greatest cosine [n] of each query with any row that was learnt from."""
    weigher, index = state.live.get("near", lambda: _index(state))
    return nearest(weigher([text for text, _ in queries]), index)


def nearest(vectors: Vectors, index: Vectors) -> Floats:
    """Return the greatest product [n] of each row of `vectors` with any column of `index`."""
    similarities = [
        (vectors[at : at + _AT_ONCE] @ index).toarray().max(1, initial=0)
        for at in range(0, vectors.shape[0], _AT_ONCE)
    ]
    return np.concatenate([np.zeros(0, np.float32), *similarities])


def shrunk(
    state: State, queries: Sequence[Asked], predictions: Predictions
) -> tuple[Predictions, Floats]:
    """Return predictions shrunk towards the prior, and how foreign each query is, in [0, 1].

    mean = w m + (1 - w) prior, with w by the similarity on the curve that was fitted where whole
    tags were left out. Foreign is the share of the rows learnt from that lie closer to the others.
    """
    similar = near(state.part("near"), queries)
    curve = state.part("curve").arrays
    weight = np.interp(similar, curve["similar"], curve["weight"])
    prior_state = state.part("prior")
    vectors = all_vectors(SEEN, prior_state.part("features"), queries)
    prior = predicted(prior_state.part("models"), vectors)
    foreign = 1 - np.searchsorted(curve["usual"], similar, side="right") / len(curve["usual"])
    return blended(predictions, prior, weight), foreign


def blended(predictions: Predictions, prior: Predictions, weight: Floats) -> Predictions:
    """Return w m + (1 - w) prior for weights [n]; the spread grows by what the two differ."""
    share = weight[:, None]
    mean = share * predictions.mean + (1 - share) * prior.mean
    apart = share * (1 - share) * (predictions.mean - prior.mean) ** 2
    return Predictions(mean, np.sqrt(share * predictions.spread**2 + apart), predictions.cost)


def _index(state: State) -> tuple[Weigher, Vectors]:
    arrays = state.arrays
    parts = (arrays["data"], arrays["indices"], arrays["indptr"])
    weigher = Weigher(_vectorizer(), state)
    return weigher, scipy.sparse.csr_matrix(parts, shape=(len(weigher.known), state.facts["rows"]))


def _vectorizer(**how: object) -> TfidfVectorizer:
    return sklearn.feature_extraction.text.TfidfVectorizer(
        analyzer="char_wb", ngram_range=(3, 3), sublinear_tf=True, dtype=np.float32, **how
    )
