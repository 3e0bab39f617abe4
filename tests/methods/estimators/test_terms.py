"""Terms of texts are those of scikit-learn's vectorizers, whatever the text."""

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from composer.methods.estimators.features import Tfidf, _terms, _vectorizer
from composer.methods.estimators.terms import Places, letter_runs

TEXTS = st.text(max_size=60) | st.text("ab cd_'\t\n1,\u00df\u0130\u3042\u2003\x1c", max_size=40)
SOME = settings(max_examples=40, deadline=None)
ROWS = ["a cat sat", "the cat \u00dfat on the mat", "2 + 2 = 4?", "", "\u0130stanbul a"]


@SOME
@given(TEXTS, TEXTS, st.integers(1, 5), st.integers(0, 4))
@example("don't \u0130 stop_it", "A\x1cb A_1 b", 3, 0)
def test_runs_of_words_are_those_of_scikit_learn(text, other, longest, gap):
    analyze = _vectorizer("words", (1, longest)).build_analyzer()
    runs = sorted({*analyze(text), *analyze(other)})
    known = {run: at for at, run in enumerate(runs) if not gap or at % 5 != gap}
    ours = Places("words", (1, longest), known)(text)
    assert ours == [known[run] for run in analyze(text) if run in known]


@SOME
@given(TEXTS, st.integers(2, 8), st.integers(0, 4))
@example("a bc\x1cd \u2003 efghij", 2, 4)
def test_runs_of_letters_are_those_of_scikit_learn(text, shortest, more):
    runs = (shortest, shortest + more)
    ours = [run for word in text.lower().split() for run in letter_runs(word, *runs)]
    assert ours == _vectorizer("chars", runs).build_analyzer()(text)


@SOME
@given(st.lists(TEXTS, max_size=4))
def test_weights_are_those_of_scikit_learn_and_of_each_text_alone(texts):
    for kind, runs, part in (
        ("words", (1, 2), Tfidf(words=2)),
        ("chars", (2, 4), Tfidf(words=0, chars=4)),
    ):
        vectorizer = _vectorizer(kind, runs).fit(ROWS)
        state = part.fit([(row, ()) for row in ROWS])
        ours = part.vectors(state, [(text, ()) for text in texts])
        assert ours.shape == (len(texts), len(vectorizer.vocabulary_))
        if texts:
            np.testing.assert_allclose(
                ours.toarray(), vectorizer.transform(texts).toarray(), rtol=1e-6, atol=1e-7
            )
        alone = [part.vectors(state, [(text, ())]).toarray()[0] for text in texts]
        assert all((row == one).all() for row, one in zip(ours.toarray(), alone, strict=True))
        assert (_terms(kind, runs, ROWS)[1] != part.embed([(r, ()) for r in ROWS])[1]).nnz == 0
