"""The numbers of a query's shape are counts of its characters and words, whatever the text."""

import re
from math import log1p

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from composer.methods.estimators.shapes import shapes
from composer.methods.estimators.typicality import WordIndex, index_state, words_of

TEXTS = st.text(max_size=80) | st.text(
    "aB1. ;\n\\={}?,$%\u00b2\u0661\u017f\u0130\u03a3", max_size=60
)


def by_pattern(text):
    words, lines = text.split(), text.split("\n")
    size, count = max(len(text), 1), max(len(words), 1)
    patterns = (r"\d+", r"\.\d", r"[=+*/^<>{}()\[\]\\]")
    signs = sum(not (each.isalnum() or each.isspace()) for each in text)
    negated = r"(?i)\b(?:not|except|least|false|incorrect)\b"
    code = r"(?m)```|\bdef \w+\(|\bclass \w+|[;{}]\s*$|\breturn\b|\bimport \w+"
    return [
        *map(log1p, (len(text), len(words), len(lines), len(lines[0]))),
        *(log1p(len(re.findall(pattern, text))) for pattern in patterns),
        *(log1p(text.count(sign)) for sign in "?,"),
        sum(each.isdigit() for each in text) / size,
        sum(each.isupper() for each in text) / size,
        signs / size,
        sum(map(len, words)) / count,
        len({word.lower() for word in words}) / count,
        *("$" in text, "%" in text, re.search(negated, text) is not None),
        re.search(code, text) is not None,
    ]


@settings(max_examples=60, deadline=None)
@given(TEXTS)
@example("Which is NOT 3.14\u00b2? lea\u017ft")
@example("class Cat {\n} ``` import x;  \n")
def test_a_shape_is_what_patterns_count(text):
    np.testing.assert_allclose(shapes([(text, ())])[0], by_pattern(text), rtol=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=40), st.lists(TEXTS, min_size=1, max_size=40))
def test_the_nearest_row_is_that_with_the_greatest_cosine(rows, texts):
    state = index_state([words_of(row) for row in rows])
    weights = dict(zip(_terms(state), state.arrays["idf"].astype(float), strict=True))

    def product(left, right):
        return sum(weights.get(word, state.facts["unknown"]) ** 2 for word in left & right)

    def cosine(left, right):
        length = (product(left, left) * product(right, right)) ** 0.5
        return product(left, right) / length if length > 0 else 0.0

    expected = [max(cosine(words_of(text), words_of(row)) for row in rows) for text in texts]
    closest = WordIndex(state).similarities(texts)
    np.testing.assert_allclose(closest, expected, rtol=1e-5, atol=1e-9)
    assert closest.tolist() == [float(WordIndex(state).similarities([text])[0]) for text in texts]


def _terms(state):
    joined = state.arrays["terms"].tobytes().decode()
    return joined.split("\n") if len(state.arrays["idf"]) else []
