"""Encoders as features: static vectors and a sentence encoder, from the packages of an extra."""

import numpy as np
import pytest

from composer.methods import PartError
from composer.methods.agreements.base import Comparison
from composer.methods.agreements.cosine import Cosine
from composer.methods.estimators import embeddings
from composer.methods.estimators.embeddings import Static, VectorCache
from composer.methods.estimators.learned import Knn, Linear
from composer.methods.estimators.pretrained import Sentence

QUERIES = [f"add the numbers {n} and 3" for n in range(20)] + [
    f"translate {word} into French" for word in "abcdefghijklmnopqrst"
]
HELLO = [0.087173, 0.0718582, 0.014429, -0.0713062]
OUTCOMES = [(1, 0)] * 20 + [(0, 1)] * 20


def test_a_static_vector_is_the_one_of_wordllama():
    """As WordLlama.load("l2_supercat", dim = 256).embed("hello world") begins."""
    (vector,) = Static().text_vectors(["hello world"])
    assert vector[:4] == pytest.approx(HELLO, abs=1e-6)
    assert np.linalg.norm(vector) == pytest.approx(1)


def test_static_vectors_of_like_meaning_are_near():
    king, queen, tax = Static().text_vectors(["the king", "a queen", "income tax rates"])
    assert king @ queen > 2 * king @ tax


def test_a_text_without_tokens_has_the_vector_zero():
    empty, _ = Static().text_vectors(["", "word"])
    assert not empty.any()
    assert Static().text_vectors([]).shape == (0, 256)


@pytest.mark.parametrize("part", [Linear(features=Static()), Knn(features=Static(), k=5)])
def test_words_that_were_never_seen_are_placed_by_their_meaning(part, labels):
    table = labels(QUERIES, OUTCOMES)
    asked = [("subtract seven from 90", ()), ("say it in German", ())]
    assert part.predict(part.fit(table, 0), asked).mean.argmax(1).tolist() == [0, 1]


def test_a_fit_with_other_weights_is_refused(labels, monkeypatch):
    part = Linear(features=Static())
    state = part.fit(labels(QUERIES, OUTCOMES), 0)
    monkeypatch.setattr(embeddings, "_static_weights", lambda: "others")
    with pytest.raises(PartError, match="other weights than those of wordllama") as caught:
        part.predict(state, [("a", ())])
    assert caught.value.code == "E507"


def test_each_text_is_encoded_once():
    encoded = []

    def encode(texts):
        encoded.extend(texts)
        return np.array([[len(text)] for text in texts], np.float32)

    cache = VectorCache()
    assert cache.get(["a", "bb", "a"], encode).tolist() == [[1], [2], [1]]
    assert cache.get(["ccc", "bb"], encode).tolist() == [[3], [2]]
    assert encoded == ["a", "bb", "ccc"]


def test_the_earliest_texts_are_forgotten(monkeypatch):
    monkeypatch.setattr(embeddings, "KEEP", 2)
    cache = VectorCache()
    cache.put(["a", "b", "c"], np.eye(3, dtype=np.float32))
    encoded = []
    cache.get(["b", "a"], lambda texts: encoded.extend(texts) or np.zeros((len(texts), 3)))
    assert encoded == ["a"]


def test_answers_of_like_meaning_agree():
    by = Cosine()
    like = by.same("It is the capital of France.", "That is the French capital city.")
    other = by.same("It is the capital of France.", "Photosynthesis needs light.")
    assert other < 0.4 < like < 1
    assert by.same("Paris", "Paris") == 1


def test_a_count_takes_answers_as_one_from_half_on():
    answers = ["The capital is Paris.", "It is Paris, the French capital.", "Bananas are yellow."]
    cosine = Cosine().same(*answers[:2])
    near, far = (Cosine(half=cosine + step) for step in (-0.01, 0.01))
    assert Comparison(near, answers).groups == ((0, 1), (2,))
    assert Comparison(far, answers).groups == ((0,), (1,), (2,))


def test_the_sentence_encoder_places_like_sentences_near_and_prints_nothing(capfd):
    """Of sentence-transformers' all-MiniLM-L6-v2: cosines .9697 and .0962, as it gives them."""
    texts = ["The cat sits.", "A cat is sitting", "Stocks fell"]
    vectors = Sentence().text_vectors(texts)
    assert vectors.shape == (3, 384)
    assert vectors[0] @ vectors[1:].T == pytest.approx([0.9697, 0.0962], abs=1e-3)
    assert capfd.readouterr() == ("", "")
