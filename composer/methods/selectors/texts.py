"""Questions and answers as short dense vectors, for the networks that score candidates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.heavy import np
from composer.values import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.methods.answer_table import AnswerTable
    from composer.methods.estimators.features import Features
    from composer.methods.estimators.values import Floats
    from composer.values import Candidates

_SMALL = 1e-8


def fit_texts(features: Features, table: AnswerTable) -> State:
    """Fit features to all questions and answers of a table, and the scale of their vectors."""
    each = [row.candidates for row in table.rows]
    texts = dict.fromkeys(text for some in each for text in (some.query.text, *written(some)))
    state, vectors = features.embed([(text, ()) for text in texts])
    size = np.sqrt(np.square(vectors.toarray()).mean()) if vectors.shape[1] else 1.0
    scale = np.array([1 / max(float(size), _SMALL)], np.float32)
    return State.join(of=state, scale=State({"scale": scale}))


def text_vectors(features: Features, state: State, texts: Sequence[str]) -> Floats:
    """Return the vectors [n, d] of texts, whose mean square over the fitted texts is 1."""
    sparse = features.vectors(state.part("of"), [(text, ()) for text in texts])
    vectors: Floats = sparse.toarray() * state.part("scale").arrays["scale"]
    return vectors.astype(np.float32)


def candidate_vectors(features: Features, state: State, each: Candidates) -> tuple[Floats, Floats]:
    """Return the vector [d] of the question, and those [n, d] of all candidates."""
    vectors = text_vectors(features, state, [each.query.text, *written(each)])
    return vectors[0], vectors[1:]


def written(each: Candidates) -> tuple[str, ...]:
    """Return the texts of candidates with what was read from them, which may be written apart."""
    return tuple(
        text.text if text.answer in (None, text.text.strip()) else f"{text.text}\n{text.answer}"
        for text in each.texts
    )
